"""Serving: strategies as models for any OpenAI client, with keys, limits and metrics.

Lives here: the HTTP application (``serving.app.create_app``), what it accepts and answers, the
service that works on questions, and the server process. Does not: how a question is answered
(``agents.questions``), engines, settings. Nothing here opens an engine: the command does.
"""
