"""A run's frames on disk: one frame, the writer, the reader."""
