"""Where the runs of a study are made: one promise, and a file for each place."""
