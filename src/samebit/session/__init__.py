"""One running experiment: capture, journal, states and trace joined."""
