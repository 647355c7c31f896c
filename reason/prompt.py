"""What a model is shown: the type shared by tasks, which write it, and engines, which send it.

Imports nothing of this project, so both may import it without knowing each other.
"""

from typing import Literal, TypeAlias, TypedDict


class Message(TypedDict):
    """One chat message in the form every OpenAI-compatible server takes."""

    role: Literal["system", "user", "assistant"]
    content: str


Prompt: TypeAlias = str | list[Message]
"""Raw text for a completion, or messages for a chat."""
