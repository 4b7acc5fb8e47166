"""Projects that use DVC, as they are: what they name, where it lies, and what of it a run read."""
