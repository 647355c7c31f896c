"""What a run has spent: an exact running account of samples, tokens and money, by model.

Every sample is charged the moment it arrives, whatever becomes of it. :meth:`Spending.take`
hands over what has come in since the last call, for the journal to add to its totals in the same
transaction as the steps, so totals never fall across a resume. A model without a known price makes
the cost of the whole run unknown (None), never zero.
"""

from collections.abc import Iterable

from engines.base import Engine, Sample
from runs.journal import UsageDelta


class Spending:
    """The account of one run.

    Args:
        engines: every model that the run may use.
        before: what earlier sessions of the run spent, by model.
        within: a larger account that everything is charged to as well.
    """

    def __init__(
        self,
        engines: Iterable[Engine],
        before: Iterable[UsageDelta] = (),
        within: "Spending | None" = None,
    ) -> None:
        self._within = within
        self._price = {engine.model: engine.price for engine in engines}
        self._open: dict[str, list[int]] = {}
        self.tokens = 0
        self.samples = 0
        self.usd: float | None = 0.0
        for usage in before:
            self.tokens += usage.prompt_tokens + usage.completion_tokens
            self.samples += usage.samples
            self.usd = _sum(self.usd, usage.cost_usd)

    @property
    def is_priced(self) -> bool:
        """Whether the cost is known, and will be whichever model is asked."""
        return self.usd is not None and None not in self._price.values()

    def add(self, model: str, sample: Sample) -> None:
        """Charge one sample to ``model``."""
        if self._within is not None:
            self._within.add(model, sample)
        account = self._open.get(model)
        if account is None:
            account = self._open[model] = [0, 0, 0]
        prompt, completion = sample.prompt_tokens, sample.completion_tokens
        account[0] += prompt
        account[1] += completion
        account[2] += 1
        self.tokens += prompt + completion
        self.samples += 1
        self.usd = _sum(self.usd, self._cost(model, prompt, completion))

    def absorb(self, usage: Iterable[UsageDelta]) -> None:
        """Charge what was spent elsewhere, at the cost that it was told with."""
        for used in usage:
            if self._within is not None:
                self._within.absorb([used])
            account = self._open.setdefault(used.model, [0, 0, 0])
            account[0] += used.prompt_tokens
            account[1] += used.completion_tokens
            account[2] += used.samples
            self.tokens += used.prompt_tokens + used.completion_tokens
            self.samples += used.samples
            self.usd = _sum(self.usd, used.cost_usd)

    def take(self) -> list[UsageDelta]:
        """What came in since the last call, model by model."""
        usage = [
            UsageDelta(model, prompt, completion, samples, self._cost(model, prompt, completion))
            for model, (prompt, completion, samples) in self._open.items()
        ]
        self._open = {}
        return usage

    def _cost(self, model: str, prompt: int, completion: int) -> float | None:
        price = self._price.get(model)
        return None if price is None else (prompt * price[0] + completion * price[1]) / 1e6


def _sum(total: float | None, cost: float | None) -> float | None:
    return None if total is None or cost is None else total + cost
