"""The per-step fingerprints of a run: what they are, how they are taken, where two runs part."""
