"""Measurements: benchmarks and evaluations of the product as a user would run it."""
