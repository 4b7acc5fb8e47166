"""The page: what a browser on this machine asks of a store, answered."""
