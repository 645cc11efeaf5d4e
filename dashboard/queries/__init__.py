"""The questions of pages and of the API: plain functions from a database to rows."""
