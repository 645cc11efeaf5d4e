"""What analysts ask of the messages of FIX, as views of SQLite, PostgreSQL and DuckDB."""
