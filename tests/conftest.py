"""Shared fixtures: every test has its own directory and an environment without settings."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a REASON_ variable, a key or a reason.toml of the machine it runs on."""
    for name in os.environ:
        if name.startswith("REASON_") or name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
