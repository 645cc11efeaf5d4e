"""SQLite and PostgreSQL: rows and their progress in the same transactions."""
