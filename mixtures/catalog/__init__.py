"""The catalog: `HOME/catalog.duckdb`, views over the Parquet indices of all built splits, and safe queries on it.

DuckDB 1.2 or later opens the file, also the `duckdb` program. It copies no data of the indices.
"""
