"""A crew: one actor on each node, errands given to whoever has a hand free.

Errands are coarse, for an actor call costs about a millisecond. At most ``each`` are with an actor
at a time, so a lost node loses no more than that, and what it had in hand is given to another. A
keeper looks after the crew: it hires on nodes that are new, or free again, and strikes off those
that are gone. An actor whose engine failed rests while others can do its work.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from cluster.actor import Actor, Employ
from cluster.connection import join, keep_sigterm, leave, ray_module
from reason.errors import EngineError, ReasonError, UsageError

LOOK_SECONDS = 2.0  # between two looks at the cluster's nodes
REST_SECONDS = 30.0  # that an actor rests after an engine's failure, and a node after a refusal
PATIENCE = 300.0  # seconds that a crew without a hand is waited for: models take long to load
TRIES = 3  # of an errand that an engine failed
LIVES = 5  # actors that may be lost over one errand before it is held to be its fault
IDLE = (
    f"no node of the Ray cluster took work within {PATIENCE:.0f} seconds: it needs a node with a "
    "free CPU (see `ray status`)"
)
KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "REASON_API_KEY")


@dataclass(eq=False)
class Hand:
    """An actor that is ready.

    Attributes:
        busy: errands that it has.
        rests_until: on the monotonic clock.
    """

    actor: Any
    node: str
    busy: int = 0
    rests_until: float = 0.0


class Errand:
    """One piece of work on its way.

    Attributes:
        reply: what came of it; None where it was stopped before anything did.
    """

    def __init__(self, crew: "Crew", item: Any, ticket: int) -> None:
        self._crew, self._item, self._ticket = crew, item, ticket
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
            hand = await self._crew.free_hand()
            if self._stopped:
                return None
            try:
                return await self._with(hand)
            except (errors.RayActorError, errors.NodeDiedError, errors.WorkerCrashedError):
                self._crew.lose(hand)
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
            self._crew.wake()
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
        self.employ, self.each = employ, each
        self._hands: list[Hand] = []
        self._hiring: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, tuple[float, ReasonError]] = {}
        self._tickets = 0
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._errands: set[asyncio.Task[Any]] = set()

    @property
    def width(self) -> int:
        """Errands that the crew can have in hand at once, as things stand."""
        return self.each * len(self._hands)

    async def __aenter__(self) -> "Crew":
        """Join the cluster and begin to hire. Raises UsageError, EngineError."""
        await asyncio.to_thread(join)
        keep_sigterm()
        self._keeper = asyncio.ensure_future(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all work and every actor, and leave the cluster."""
        ending = [*self._errands, *self._hiring.values(), *filter(None, [self._keeper])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        for hand in list(self._hands):
            self._dismiss(hand)
        await asyncio.to_thread(leave)

    def send(self, item: Any) -> Errand:
        """Have a piece of work done."""
        self._tickets += 1
        errand = Errand(self, item, self._tickets)
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

    async def free_hand(self) -> Hand:
        """The least busy actor, as soon as one is free.

        Raises the reason why no node takes work, EngineError when none has done for a minute.
        """
        since = time.monotonic()
        while (hand := self._pick()) is None:
            if self._hands:
                since = time.monotonic()
            self._refuse(time.monotonic() - since)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1.0)
        return hand

    def _pick(self) -> Hand | None:
        now = time.monotonic()
        free = [hand for hand in self._hands if hand.busy < self.each]
        return min(free, key=lambda hand: (hand.rests_until > now, hand.busy), default=None)

    def _refuse(self, waited: float) -> None:
        """Raise where it is hopeless to wait for a hand."""
        if self._hands:
            return
        refusals = [error for _, error in self._refused.values()]
        mistakes = [error for error in refusals if isinstance(error, UsageError)]
        if mistakes and not self._hiring:  # such as a file that no node has: waiting mends nothing
            raise mistakes[0]
        if waited > PATIENCE:
            raise refusals[0] if refusals else EngineError(IDLE)

    def wake(self) -> None:
        """Let those who wait for a hand look again."""
        self._changed.set()

    def lose(self, hand: Hand) -> None:
        """Strike an actor off that is gone."""
        if hand in self._hands:
            self._dismiss(hand)
        self.wake()

    def _dismiss(self, hand: Hand) -> None:
        self._hands.remove(hand)
        with contextlib.suppress(Exception):  # of an actor that is gone already
            ray_module().kill(hand.actor)

    async def _keep(self) -> None:
        """Hire on every node that has no hand, as long as the crew is at work."""
        while True:
            nodes = await asyncio.to_thread(_nodes)
            employed = {hand.node for hand in self._hands} | self._hiring.keys()
            for node in nodes - employed - self._barred():
                self._hiring[node] = asyncio.ensure_future(self._hire(node))
            for node in self._hiring.keys() - nodes:
                self._hiring[node].cancel()
            await asyncio.sleep(LOOK_SECONDS)

    def _barred(self) -> set[str]:
        """Nodes that refused lately."""
        now = time.monotonic()
        return {node for node, (until, _) in self._refused.items() if until > now}

    async def _hire(self, node: str) -> None:
        """Start an actor on a node and wait until its engines are open."""
        actor = None
        try:
            actor = _start(node, self.employ)
            error = await actor.ready.remote()
        except ray_module().exceptions.RayError as fault:
            said = str(fault).strip().splitlines()[-1]
            error = EngineError(f"an actor could not be started on a node of the cluster: {said}")
        except asyncio.CancelledError:
            if actor is not None:
                ray_module().kill(actor)
            raise
        finally:
            self._hiring.pop(node, None)
        if error is None:
            self._refused.pop(node, None)
            self._hands.append(Hand(actor, node))
        else:
            self._refused[node] = (time.monotonic() + REST_SECONDS, error)
            with contextlib.suppress(Exception):  # of an actor that never was
                ray_module().kill(actor)
        self.wake()


def _engine_failed(reply: Any) -> bool:
    return isinstance(getattr(reply, "error", None), EngineError)


def _nodes() -> set[str]:
    """The ids of living nodes that have a CPU to give."""
    nodes = ray_module().nodes()
    return {node["NodeID"] for node in nodes if node["Alive"] and node["Resources"].get("CPU")}


def _start(node: str, employ: Employ) -> Any:
    ray = ray_module()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    keys = {name: os.environ[name] for name in KEYS if name in os.environ}
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    kind = ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy=there)(Actor)
    return kind.remote(employ, keys, str(Path.cwd()))
