"""reason: very long reasoning without an error, on small and cheap language models.

The front door: command line, settings, errors, and the Python API (:func:`solve`). Nothing here
decides a step; that is the business of :mod:`agents`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reason.api import solve as solve

__version__ = "0.1.0"
__all__ = ["__version__", "solve"]


def __getattr__(name: str) -> Any:
    """Load the API on first use, so that ``reason.errors`` stays importable by every layer."""
    if name == "solve":
        from reason.api import solve

        return solve
    raise AttributeError(f"module 'reason' has no attribute {name!r}")
