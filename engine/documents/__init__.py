"""Documents: parsed, validated and cached, with their limits, costs and variables."""
