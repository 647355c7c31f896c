"""How many requests may be in flight to one server: additive increase, multiplicative decrease.

It starts at the ceiling the user gave. A 429 lowers the limit to four fifths, once for all requests
that were already in flight at the last decrease; every full round of successes raises it by one.
A 5xx says nothing about load and leaves the limit as it is.
"""

import asyncio
from collections import deque

DECREASE = 0.8


class Limiter:
    """Admits at most ``limit`` holders at once; see the module's text.

    Args:
        ceiling: where the limit starts, and the most it can be.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._limit = float(ceiling)
        self._held = self._epoch = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return max(1, int(self._limit))

    async def acquire(self) -> int:
        """Wait for a place and take it; gives the epoch, which :meth:`throttled` wants back."""
        while self._held >= self.limit:
            await self._turn()
        self._held += 1
        return self._epoch

    def release(self) -> None:
        """Give the place back."""
        self._held -= 1
        if self._waiting:
            self._wake()

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # called and cancelled at once: the place is another's
                self._wake()
            raise

    def succeeded(self) -> None:
        """A request was answered."""
        if self._limit < self.ceiling:
            self._limit = min(self.ceiling, self._limit + 1 / self._limit)
            self._wake()

    def throttled(self, epoch: int) -> None:
        """The server asked for less; requests of one epoch lower the limit once."""
        if epoch == self._epoch:
            self._epoch += 1
            self._limit = max(1.0, self._limit * DECREASE)

    def _wake(self) -> None:
        room = self.limit - self._held
        while room > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1


class Limiters:
    """A limiter for every server, shared by the models that it serves."""

    def __init__(self) -> None:
        self._by_url: dict[str, Limiter] = {}

    def of(self, url: str, ceiling: int) -> Limiter:
        """The server's limiter, made on first use."""
        return self._by_url.setdefault(url, Limiter(ceiling))

    def __reduce__(self) -> tuple[type["Limiters"], tuple[()]]:
        """Another process has limits of its own."""
        return Limiters, ()
