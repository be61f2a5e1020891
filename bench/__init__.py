"""Benchmarks anyone can run: `bin/bench`. README.md says what is compared, and how it is kept fair."""
