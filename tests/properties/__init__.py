"""Properties: what holds after any sequence of events."""
