"""Runs as tables: what columns there are, and batches of rows, for files and for frames."""
