"""What goes into a paper: tables."""
