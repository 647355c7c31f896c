"""What a run solves and how: the configuration that is saved with it, and what follows from it."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agents.mixture import turns
from agents.policy import VotePolicy
from cluster.connection import need_ray
from engines.options import EngineOptions
from engines.spec import check_spec, parse_spec
from reason.errors import UsageError
from reason.settings import RunOptions
from runs.store import BrokenRun, RunDir
from tasks.base import Task
from tasks.catalog import Description, build_task, styles


@dataclass(frozen=True)
class RunConfig:
    """What is solved and how; the whole of it is saved in the run directory."""

    task: Description
    options: RunOptions

    def to_dict(self) -> dict[str, Any]:
        """The JSON form kept in ``run.json``."""
        return {"task": self.task, "options": self.options.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "RunConfig":
        """Read :meth:`to_dict` back. Raises KeyError, TypeError, ValueError."""
        return cls(dict(data["task"]), RunOptions.model_validate(data["options"]))

    def build_task(self) -> Task:
        """The task, in the style that the options and models call for."""
        return build_task(self.task, self.style)

    @property
    def style(self) -> Literal["paper", "compact"]:
        """The prompt style in force: what was asked for, or what suits the first model."""
        known, wanted = styles(str(self.task.get("name"))), self.options.style
        if wanted != "auto":
            if wanted not in known:
                raise UsageError(f"--style {wanted}: the task has only {' and '.join(known)}")
            return wanted
        spec = parse_spec(self.options.model[0])
        own = f"{self.task['name']}-micro"  # what `reason train micro` calls its model of the task
        micro = spec.kind in ("embedded", "sim") or Path(spec.name).stem == own
        return "compact" if micro and "compact" in known else "paper"

    @property
    def genesis(self) -> bytes:
        """Where the hash chain starts: a digest of the problem alone.

        Equal solutions of one problem so end in equal hashes, whatever solved it.
        """
        return hashlib.sha256(json.dumps(self.task, sort_keys=True).encode()).digest()

    def policy(self, task: Task) -> VotePolicy:
        """The vote's settings, defaults filled in from the task."""
        options = self.options
        k = 1 if options.k == "auto" else options.k
        limit = options.max_votes or max(100, 10 * k)
        if limit < k:
            raise UsageError(f"--max-votes {limit} cannot decide a vote with --k {k}")
        return VotePolicy(
            k=k,
            rule=options.vote,
            first_temperature=options.first_temperature,
            temperature=options.temperature,
            max_tokens=options.max_tokens or task.max_tokens,
            max_votes=limit,
            on_no_convergence=options.on_no_convergence,
            red_flags=tuple(re.compile(pattern) for pattern in options.red_flag),
            variants=options.variants,
            ladder=tuple(options.ladder),
            check_transitions=options.check_transitions,
            schedule=self.schedule(),
        )

    def schedule(self) -> tuple[int, ...]:
        """Whose turn each draw is, before the models are measured."""
        models = len(self.options.model)
        if self.options.mix in ("turns", "evidence"):
            return ()
        weights = [int(weight) for weight in self.options.mix.split(",")]
        if len(weights) != models or not sum(weights):
            raise UsageError(
                f"--mix {self.options.mix} must give a weight to each of {models} models"
            )
        return turns(weights)

    def check(self) -> None:
        """Raise UsageError for anything that can be known to be wrong before starting."""
        options, task = self.options, self.build_task()
        if options.engine_cluster == "ray":
            need_ray()
        for spec in model_specs(options):
            check_spec(spec, engine_options(task, options))
        if (options.on_no_convergence == "escalate") != (options.escalate_model is not None):
            raise UsageError(
                "--on-no-convergence escalate and --escalate-model SPEC must be given together"
            )
        if options.draft_model and options.speculate != "draft":
            raise UsageError("--draft-model needs --speculate draft")
        if options.mix == "evidence" and options.vote != "likelihood":
            raise UsageError("--mix evidence needs --vote likelihood")
        if options.vote == "likelihood" and options.k == "auto":
            raise UsageError("--vote likelihood sets no margin: leave --k auto out")
        if options.vote == "first-to-k" and options.k == "auto":
            raise UsageError(
                "--k auto knows the margins of --vote ahead-by-k: give --k yourself with first-to-k"
            )
        if options.variants > (known := len(task.variants())):
            raise UsageError(f"--variants {options.variants}: {task.label} has {known}")
        self.policy(task)


def saved_config(run: RunDir) -> RunConfig:
    """A run's configuration. Raises UsageError for one that cannot be read."""
    if isinstance(run, BrokenRun):
        raise UsageError(run.reason)
    try:
        return RunConfig.from_dict(run.config)
    except (KeyError, TypeError, ValueError):  # pydantic's are ValueErrors
        raise UsageError(
            f"{run.path / 'run.json'} has a configuration that this version cannot read"
        ) from None


def model_specs(options: RunOptions) -> list[str]:
    """Every model of a run: the voters, then the escalation model, then the draft model."""
    return [*options.model, *filter(None, [options.escalate_model, options.draft_model])]


def engine_options(task: Task, options: RunOptions) -> EngineOptions:
    """How the engines of a run are opened."""
    return EngineOptions(
        concurrency=options.concurrency,
        lean=options.transport == "lean",
        prices=options.prices,
        bundled=task.bundled_model,
        rehearse=task.rehearse,
        trace_share=options.trace_share,
    )
