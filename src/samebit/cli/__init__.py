"""The command line: words on a screen."""
