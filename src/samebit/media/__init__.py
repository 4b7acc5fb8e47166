"""What a run shows beside its numbers: pictures, tables, sound. Knows no run and no store."""
