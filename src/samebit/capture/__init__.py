"""Facts about an execution; each module returns plain values or calls the `emit` it was given."""
