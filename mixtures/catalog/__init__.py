"""The catalog: `HOME/catalog.duckdb`, views over the Parquet indices of all built splits, and safe queries on it.

relations  the relations and their columns
holdings   what a home holds, and what of it is damaged
tables     rows of the small tables
views      a SELECT for each view; macros: the arithmetic of mixtures
file       writes the catalog, or opens it if it is current; install: puts it beside a user's own tables
queries    one read-only statement; messages: DuckDB's errors as one line

DuckDB 1.2 or later opens the file, also the `duckdb` program. It copies no data of the indices.
"""
