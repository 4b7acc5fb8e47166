"""What each command prints with `--json`: one declaration, of which JSON Schemas are made."""
