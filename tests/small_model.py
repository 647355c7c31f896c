"""The small general model of tests: SmolLM2 as ``reason models get smollm2`` fetched it."""

from pathlib import Path

from reason.commands.models import models_dir

NO_MODEL = "SmolLM2 is not on this machine: `reason models get smollm2` fetches it"


def smollm2() -> Path | None:
    """Its file, where it is there; no test fetches it."""
    path = models_dir() / "smollm2.gguf"
    return path if path.is_file() else None
