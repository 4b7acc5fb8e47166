"""Fingerprints of data: files, arrays, tables, datasets, lists of rows."""
