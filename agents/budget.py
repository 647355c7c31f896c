"""The limits of a run: tokens, money, time; checked between rounds of votes."""

import time
from dataclasses import dataclass

from agents.spending import Spending
from reason.errors import BudgetReached, UsageError


@dataclass(frozen=True)
class Limits:
    """Limits over all sessions of a run; None is no limit."""

    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None


class Budget:
    """Compares what was spent with the limits.

    Args:
        limits: the limits.
        spending: the run's account.
        seconds_before: working seconds of earlier sessions.

    Raises UsageError at once when money is limited and a model's price is unknown.
    """

    def __init__(self, limits: Limits, spending: Spending, seconds_before: float = 0.0) -> None:
        self.limits, self.spending = limits, spending
        self._start = time.monotonic() - seconds_before
        self._bounded = limits != Limits()
        if limits.usd is not None and not spending.is_priced:
            raise UsageError("--budget-usd cannot be kept: the price of a model is unknown")

    @property
    def seconds(self) -> float:
        """Working seconds so far, earlier sessions included."""
        return time.monotonic() - self._start

    def left(self) -> Limits:
        """What is left of each limit, for work done elsewhere."""
        limits, spent = self.limits, self.spending
        return Limits(
            None if limits.tokens is None else limits.tokens - spent.tokens,
            None if limits.usd is None else limits.usd - (spent.usd or 0.0),
            None if limits.seconds is None else limits.seconds - self.seconds,
        )

    def check(self) -> None:
        """Raise BudgetReached when a limit is met."""
        if not self._bounded:
            return
        limits, spent = self.limits, self.spending
        if limits.tokens is not None and spent.tokens >= limits.tokens:
            raise BudgetReached(f"token budget reached: {spent.tokens:,} of {limits.tokens:,}")
        if limits.usd is not None and (spent.usd is None or spent.usd >= limits.usd):
            raise BudgetReached(f"money budget reached: ${spent.usd or 0:.4f} of ${limits.usd:.4f}")
        if limits.seconds is not None and self.seconds >= limits.seconds:
            raise BudgetReached(f"time budget reached: {limits.seconds:g} s")
