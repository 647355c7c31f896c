"""The contract of everything that answers prompts.

An engine is asked for several samples of one prompt at once, each with its own temperature, and
returns them in the order asked for: a vote is identified by its index, never by who was fastest.
An engine knows nothing of tasks and never caches.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from reason.prompt import Prompt

FinishReason: TypeAlias = Literal["stop", "length", "other"]


class Form(NamedTuple):
    """A prompt whose answers a server can hold to a form.

    Attributes:
        prompt: the same question, its answer asked for as JSON.
        schema: the JSON schema of the answer.
    """

    prompt: Prompt
    schema: dict[str, Any]


class Request(NamedTuple):
    """A prompt and how to sample it.

    Attributes:
        prompt: text for a completion, messages for a chat.
        max_tokens: the completion cap; an answer that meets it ends with ``length``.
        temperatures: one per sample wanted.
        first: index of the first sample among all draws of its step.
        stop: strings at which the answer ends.
        form: what may be asked in place of the prompt where structured outputs are supported. Votes
            never have one: a form that is forced hides the answers that deserve a red flag.
    """

    prompt: Prompt
    max_tokens: int
    temperatures: tuple[float, ...]
    first: int = 0
    stop: tuple[str, ...] = ()
    form: Form | None = None


class Sample(NamedTuple):
    """One answer and what it cost.

    Samples that shared one request carry its prompt tokens once, on the first of them, as servers
    bill them; sums over samples are therefore right.
    """

    text: str
    finish: FinishReason
    prompt_tokens: int
    completion_tokens: int
    model: str


class Engine(Protocol):
    """Where answers come from.

    Attributes:
        spec: the spec string that opens this engine again.
        model: the model's name, for reports and prices.
        price: US dollars per million (prompt, completion) tokens; None when unknown.
    """

    spec: str
    model: str
    price: tuple[float, float] | None

    async def sample(self, request: Request) -> list[Sample]:
        """Draw ``len(request.temperatures)`` samples, in order.

        Raises EngineError; transient faults have been retried before it does. Cancelling the
        call cancels what is in flight.
        """
        ...

    async def close(self) -> None:
        """Free connections and models."""
        ...


def by_temperature(temperatures: Sequence[float]) -> list[tuple[float, int]]:
    """Neighbouring equal temperatures as (temperature, count), to share one request each."""
    groups: list[tuple[float, int]] = []
    for temperature in temperatures:
        if groups and groups[-1][0] == temperature:
            groups[-1] = (temperature, groups[-1][1] + 1)
        else:
            groups.append((temperature, 1))
    return groups
