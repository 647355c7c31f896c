"""A simulated model, for tests and benchmarks; it says so in its name.

It answers what a rehearsal of the task says is right, with errors and malformed answers at given
rates. What vote number i to a prompt says depends on (seed, prompt, i) and nothing else: not on the
order of requests, the process, the temperature, or what was asked before. So two runs on it, one
of them killed and resumed or sped up in whatever way, can be compared step by step.
"""

import asyncio
import json
from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol

from engines.base import FinishReason, Request, Sample
from reason.prompt import Prompt


class Rehearsal(Protocol):
    """What may be answered to one prompt."""

    @property
    def right(self) -> str:
        """The right answer."""
        ...

    @property
    def wrong(self) -> tuple[str, ...]:
        """Different wrong answers, at least one."""
        ...


Rehearse = Callable[[Prompt], Rehearsal]

_SCALE = 2.0**-32
BLINDNESS = 0.8  # how often a model errs at its blind spots


class SimulatedModel:
    """See the module's text.

    Args:
        spec: the spec string.
        rehearse: what may be answered to a prompt.
        error: share of wrong answers among the valid ones, spread evenly over the plausible slips.
        blind: share of prompts to which it mostly gives one and the same wrong answer.
        flag: share of malformed answers among all.
        latency_ms: time that every request takes.
        seed: of everything random.
    """

    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(
        self,
        spec: str,
        rehearse: Rehearse,
        *,
        error: float = 0.0,
        flag: float = 0.0,
        blind: float = 0.0,
        latency_ms: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.spec = spec
        self.model = f"simulated({spec.removeprefix('sim').removeprefix(':')})"
        self._rehearse, self._error, self._flag = rehearse, error, flag
        self._blind, self._seconds = blind, latency_ms / 1000
        self._key = seed.to_bytes(8, "big", signed=True)

    async def sample(self, request: Request) -> list[Sample]:
        """The votes asked for; one rehearsal serves them all."""
        if self._seconds:
            await asyncio.sleep(self._seconds)
        prompt = request.prompt
        text = prompt if isinstance(prompt, str) else json.dumps(prompt)
        digest = blake2b(text.encode(), digest_size=16, key=self._key)
        rehearsal = self._rehearse(prompt)
        tokens = len(text) // 4 + 1
        blind = int.from_bytes(digest.digest()[:4], "big") * _SCALE < self._blind
        samples = []
        for index in range(request.first, request.first + len(request.temperatures)):
            answer, finish = self._answer(digest.copy(), index, rehearsal, blind)
            samples.append(Sample(answer, finish, tokens, len(answer) // 4 + 1, self.model))
            tokens = 0  # the votes of one request share its prompt
        return samples

    def _answer(
        self, digest: blake2b, index: int, rehearsal: Rehearsal, blind: bool
    ) -> tuple[str, FinishReason]:
        digest.update(index.to_bytes(4, "big"))
        draw = digest.digest()
        if int.from_bytes(draw[:4], "big") * _SCALE < self._flag:
            # Half the malformed answers ramble into the token cap, half just lack the form.
            return (
                ("Let me think about this", "length") if draw[8] & 1 else ("I am not sure", "stop")
            )
        if int.from_bytes(draw[4:8], "big") * _SCALE < (BLINDNESS if blind else self._error):
            wrong = rehearsal.wrong[:1] if blind else rehearsal.wrong
            return wrong[int.from_bytes(draw[8:12], "big") % len(wrong)], "stop"
        return rehearsal.right, "stop"

    async def close(self) -> None:
        """Nothing to free."""
