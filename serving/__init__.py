"""Serving: the OpenAI-compatible endpoint, dashboard and metrics."""
