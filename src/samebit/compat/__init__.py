"""The shapes of other trackers, and what comes from their files."""
