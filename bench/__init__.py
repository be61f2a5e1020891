"""Benchmarks that anyone can run with `bin/bench`. README.md describes what they compare."""
