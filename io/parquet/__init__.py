"""A folder of Parquet files, and what it remembers."""
