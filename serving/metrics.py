"""What the server counts, for Prometheus; each application has a registry of its own.

Tokens and dollars of questions are counted as answers come in, so that questions which fail or are
cancelled are in the bill; those of runs as their journals tell (:mod:`serving.run_counts`). Labels
take few values: routes, not paths; strategies and tasks, not names. Models are named by whoever
starts a run, so of those only so many have a label of their own.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from agents.questions.answering import Answered
from agents.questions.trace import count
from engines.base import Engine, Sample
from serving.gate import Gate

VOTES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 1024)
SECONDS = (0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800)
MODELS = 100  # with a label of their own
OTHERS = "other"
LONGEST = 100  # characters of a model's name


class Metrics:
    """The counters of one server.

    Attributes:
        registry: further collectors may be added to it.
    """

    def __init__(self, gate: Gate) -> None:
        self.registry = registry = CollectorRegistry()
        self._models: set[str] = set()
        ProcessCollector(registry=registry)
        labels = ("strategy",)
        self.requests = Counter(
            "reason_requests", "HTTP requests.", ("route", "status"), registry=registry
        )
        self.questions = Counter(
            "reason_questions",
            "Questions by how they ended.",
            (*labels, "outcome"),
            registry=registry,
        )
        self.votes = Counter("reason_votes", "Valid answers.", labels, registry=registry)
        self.flags = Counter("reason_red_flags", "Answers discarded.", labels, registry=registry)
        self.undecided = Counter(
            "reason_undecided", "Questions whose vote was not decided.", labels, registry=registry
        )
        self.votes_per_question = Histogram(
            "reason_votes_per_question",
            "Valid answers of a question.",
            labels,
            buckets=VOTES,
            registry=registry,
        )
        self.seconds = Histogram(
            "reason_question_seconds",
            "Working time of a question.",
            labels,
            buckets=SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "reason_tokens",
            "Tokens of questions and runs.",
            ("model", "direction"),
            registry=registry,
        )
        self.usd = Counter(
            "reason_cost_usd",
            "Dollars of models whose price is known.",
            ("model",),
            registry=registry,
        )
        self.retries = Counter(
            "reason_retries",
            "Further attempts after passing faults.",
            ("model",),
            registry=registry,
        )
        working = Gauge("reason_questions_in_flight", "Questions worked on.", registry=registry)
        working.set_function(lambda: gate.working)
        waiting = Gauge("reason_questions_waiting", "Questions in line.", registry=registry)
        waiting.set_function(lambda: gate.waiting)

    def charge(self, engine: Engine, samples: Sequence[Sample]) -> None:
        """Count the tokens and dollars of answers that came in."""
        prompt = sum(sample.prompt_tokens for sample in samples)
        completion = sum(sample.completion_tokens for sample in samples)
        dollars = None
        if engine.price is not None:
            dollars = (prompt * engine.price[0] + completion * engine.price[1]) / 1e6
        self.spent(engine.model, prompt, completion, dollars)

    def spent(self, model: str, prompt: int, completion: int, dollars: float | None) -> None:
        """Count tokens, and dollars where the price is known."""
        label = self._label(model)
        self.tokens.labels(label, "prompt").inc(prompt)
        self.tokens.labels(label, "completion").inc(completion)
        if dollars is not None:
            self.usd.labels(label).inc(dollars)

    def retried(self, model: str, times: int = 1) -> None:
        """Count further attempts; the engines call it."""
        self.retries.labels(self._label(model)).inc(times)

    def _label(self, model: str) -> str:
        """A model's label: its name, as long as there are not too many of them."""
        name = model[:LONGEST]
        if name not in self._models:
            if len(self._models) >= MODELS:
                return OTHERS
            self._models.add(name)
        return name

    def answered(self, strategy: str, answered: Answered) -> None:
        """Count the votes of a question that came to its end."""
        drawn, flagged = count(answered.outcome.node)
        self.votes.labels(strategy).inc(drawn - flagged)
        self.flags.labels(strategy).inc(flagged)
        self.votes_per_question.labels(strategy).observe(drawn - flagged)
        self.seconds.labels(strategy).observe(answered.seconds)
        if not answered.outcome.decided:
            self.undecided.labels(strategy).inc()
