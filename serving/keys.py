"""API keys of the server: only digests are kept, and comparing takes the same time for any key."""

import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from reason.errors import UsageError

VARIABLE = "REASON_API_KEYS"
SHORTEST = 8  # characters; what is shorter can be guessed


class Keys:
    """The keys that are let in; without any, everybody is."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def allow(self, presented: bytes) -> bool:
        """Whether this is one of the keys; every key is compared, whatever the first one says."""
        digest = hashlib.sha256(presented).digest()
        return any([hmac.compare_digest(digest, known) for known in self._digests])


def load_keys(file: Path | None) -> Keys:
    """Keys of a file, one a line, or else of ``REASON_API_KEYS``. Raises UsageError."""
    if file is None:
        given = os.environ.get(VARIABLE, "").replace(",", " ").split()
        return Keys(_checked(given, VARIABLE))
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the keys in {file}: {error}") from None
    given = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not given:
        raise UsageError(f"{file} holds no key: write one a line")
    return Keys(_checked(given, str(file)))


def _checked(keys: list[str], where: str) -> list[str]:
    for at, key in enumerate(keys, 1):
        if len(key) < SHORTEST or not (key.isascii() and key.isprintable()) or " " in key:
            raise UsageError(
                f"key {at} of {where} must be {SHORTEST} or more printable ASCII characters"
            )
    return keys
