"""Micro models: a small Llama trained from scratch for one kind of step, exported for llama.cpp."""
