"""A rebuildable index over runs, and the small language that filters and sorts them."""
