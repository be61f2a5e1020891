"""Changes of purchases that are active: planned, paid, and applied."""
