"""Microagents: voting, red flags, estimates and the LangGraph graphs that drive a run."""
