"""What to run and how it went: a command as a child process, and what it may write."""
