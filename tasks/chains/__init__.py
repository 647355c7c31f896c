"""Chain arithmetic in words: problems, decompositions of them, examples for micro models."""
