"""Places elsewhere that hold the same objects and runs; what is missing here or there."""
