"""Tables of runs in files: Parquet, CSV, JSON, JSON Lines."""
