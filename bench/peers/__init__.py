"""The same operations on the same tables by other means. Each answers what CAMCHA answers."""
