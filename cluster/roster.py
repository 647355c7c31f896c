"""Who works on a run: one actor on each node of the cluster that takes work.

A keeper looks at the cluster all the while. It hires on nodes that are new, or free again, and on
those that refused a while ago; who is lost is struck off. Where nobody is there, the reason why is
told to those who wait.
"""

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.actor import Actor, Employ
from cluster.connection import ray_module
from reason.errors import EngineError, ReasonError, UsageError

LOOK_SECONDS = 2.0  # between two looks at the cluster's nodes
REST_SECONDS = 30.0  # that an actor rests after an engine's failure, and a node after a refusal
PATIENCE = 300.0  # seconds that a crew without a hand is waited for: models take long to load
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


class Roster:
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
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def width(self) -> int:
        """Errands that can be in hand at once, as things stand."""
        return self.each * len(self._hands)

    def open(self) -> None:
        """Begin to hire."""
        self._keeper = asyncio.ensure_future(self._keep())

    async def close(self) -> None:
        """Stop hiring, and end every actor."""
        ending = [*self._hiring.values(), *filter(None, [self._keeper])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        for hand in list(self._hands):
            self._dismiss(hand)

    async def free_hand(self) -> Hand:
        """The least busy actor, as soon as one is free.

        Raises the reason why no node takes work, EngineError after ``PATIENCE`` seconds.
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
