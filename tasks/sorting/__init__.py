"""Sorting a list by comparing neighbours, one pair a step."""
