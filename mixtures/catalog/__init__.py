"""The catalog: `HOME/catalog.duckdb`, views over the Parquet indices of all that is built, and safe queries on it.

relations  what a row of each relation is, and its columns
holdings   what a home holds, and what of it is damaged
tables     rows of the small tables
views      a SELECT for each view; macros: the arithmetic of mixtures
file       writes the whole file, or opens it where it is current; install: puts it beside a user's own tables
queries    one reading statement; messages: DuckDB's errors as one line

Any DuckDB from 1.2 on opens the file, the `duckdb` program too. Nothing of the indices is copied into it.
"""
