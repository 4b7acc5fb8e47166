"""A release: runs as a folder or zip that a stranger can use with nothing but Python."""
