"""Running a recorded run again, and the verdict."""
