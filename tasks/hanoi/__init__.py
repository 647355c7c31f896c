"""Towers of Hanoi, the MAKER paper's benchmark: rules, prompt styles, parsers and oracle."""
