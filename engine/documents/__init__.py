"""Documents: parsed, validated and kept, with their limits, cost and variables."""
