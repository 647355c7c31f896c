"""A crew: errands given to whoever on the roster has a hand free.

Errands are coarse, for an actor call costs about a millisecond. At most ``each`` are with an actor
at a time, so a lost node loses no more than that, and what it had in hand is given to another. An
actor whose engine failed rests while others can do its work.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import Any

from cluster.actor import Employ
from cluster.connection import join, keep_sigterm, leave, ray_module
from cluster.roster import REST_SECONDS, Hand, Roster
from reason.errors import EngineError, UsageError

TRIES = 3  # of an errand that an engine failed
LIVES = 5  # actors that may be lost over one errand before it is held to be its fault


class Errand:
    """One piece of work on its way.

    Attributes:
        reply: what came of it; None where it was stopped before anything did.
    """

    def __init__(self, roster: Roster, item: Any, ticket: int) -> None:
        self._roster, self._item, self._ticket = roster, item, ticket
        self._stopped = False
        self._hand: Hand | None = None
        self.reply: asyncio.Task[Any] = asyncio.ensure_future(self._run())

    def stop(self) -> None:
        """Nobody wants it any more."""
        self._stopped = True
        if self._hand is not None:
            self._hand.actor.stop.remote(self._ticket)

    async def _run(self) -> Any:
        errors = ray_module().exceptions
        for _ in range(LIVES):
            hand = await self._roster.free_hand()
            if self._stopped:
                return None
            try:
                return await self._with(hand)
            except (errors.RayActorError, errors.NodeDiedError, errors.WorkerCrashedError):
                self._roster.lose(hand)
            except errors.RayTaskError as error:
                said = str(error.cause or error).strip().splitlines()[-1]
                raise EngineError(f"the work failed on a node of the cluster: {said}") from None
        raise EngineError(f"{LIVES} actors were lost over one piece of work; see Ray's own logs")

    async def _with(self, hand: Hand) -> Any:
        hand.busy += 1
        self._hand = hand
        try:
            reply = await hand.actor.do.remote(self._ticket, self._item)
        except asyncio.CancelledError:
            hand.actor.stop.remote(self._ticket)
            raise
        except TypeError as error:  # from pickling; nothing was sent
            said = str(error).strip().splitlines()[0]
            raise UsageError(f"this work cannot be sent to other machines: {said}") from None
        finally:
            hand.busy -= 1
            self._hand = None
            self._roster.wake()
        if _engine_failed(reply):
            hand.rests_until = time.monotonic() + REST_SECONDS
        return reply


class Crew:
    """See the module's text.

    Args:
        employ: makes the worker of every actor.
        each: errands that an actor has at most.
    """

    def __init__(self, employ: Employ, each: int) -> None:
        self.roster = Roster(employ, each)
        self._tickets = 0
        self._errands: set[asyncio.Task[Any]] = set()

    @property
    def width(self) -> int:
        """Errands that the crew can have in hand at once, as things stand."""
        return self.roster.width

    async def __aenter__(self) -> "Crew":
        """Join the cluster and begin to hire. Raises UsageError, EngineError."""
        await asyncio.to_thread(join)
        keep_sigterm()
        self.roster.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all work and every actor, and leave the cluster."""
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        await self.roster.close()
        await asyncio.to_thread(leave)

    def send(self, item: Any) -> Errand:
        """Have a piece of work done."""
        self._tickets += 1
        errand = Errand(self.roster, item, self._tickets)
        self._errands.add(errand.reply)
        errand.reply.add_done_callback(self._errands.discard)
        return errand

    async def do(self, item: Any) -> Any:
        """Have a piece of work done, again where an engine failed it; the last word on it."""
        for _ in range(TRIES - 1):
            reply = await self.send(item).reply
            if not _engine_failed(reply):
                return reply
        return await self.send(item).reply

    async def do_all(self, items: Iterable[Any]) -> AsyncIterator[Any]:
        """Replies as they come in; no more items are out than there are hands."""
        left, out = iter(items), set[asyncio.Task[Any]]()
        try:
            while True:
                room = max(0, max(1, self.width) - len(out))  # the crew may have shrunk
                out |= {asyncio.ensure_future(self.do(item)) for item in islice(left, room)}
                if not out:
                    return
                done, out = await asyncio.wait(
                    out, timeout=1.0, return_when=asyncio.FIRST_COMPLETED
                )
                for reply in done:
                    yield reply.result()
        finally:
            for task in out:
                task.cancel()


def _engine_failed(reply: Any) -> bool:
    return isinstance(getattr(reply, "error", None), EngineError)
