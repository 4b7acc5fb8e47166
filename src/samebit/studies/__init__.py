"""Many runs of one script that differ in seeds or settings: declared, decided, started, counted."""
