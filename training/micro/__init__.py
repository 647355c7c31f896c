"""Micro models: a small Llama trained from scratch to do one kind of step, exported for llama.cpp."""
