"""Reproducibility checklists, filled with what the records of a paper's runs show."""
