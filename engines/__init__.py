"""Where answers come from: OpenAI-compatible servers, embedded llama.cpp, simulated models.

Engines know nothing of tasks, votes or runs.
"""
