"""Looking at a GGUF file before llama.cpp does."""

from pathlib import Path

from reason.errors import UsageError

MICRO_BYTES = 32 * 2**20
"""A file below this is a micro model: short contexts, many slots, no chat."""


def check_gguf(path: Path) -> None:
    """Raise UsageError unless ``path`` looks like a GGUF file; llama.cpp itself may abort on it."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UsageError(f"cannot read the model {path}: {error.strerror}") from None
    if magic != b"GGUF":
        raise UsageError(f"{path} is not a GGUF file: export one, or give another path")
