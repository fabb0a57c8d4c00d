"""The catalog: `HOME/catalog.duckdb`, views over the Parquet indices of all that is built, and safe queries on it.

Any DuckDB from 1.2 on opens the file, the `duckdb` program too. Nothing of the indices is copied into it.
"""
