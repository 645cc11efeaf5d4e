"""A folder of Parquet files with its ledger."""
