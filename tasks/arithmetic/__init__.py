"""A long chain of arithmetic, one operation a step."""
