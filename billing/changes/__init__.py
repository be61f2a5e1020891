"""Changes of active purchases: planned, paid for, and applied."""
