"""Documents: parsed, validated and cached, with their limits, cost and variables."""
