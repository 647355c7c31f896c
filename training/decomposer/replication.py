"""The nano-scale replication of DaSLaM, as the commands that make it.

A black-box solver; a second one that no decomposer is trained on; questions with the first answers
of the solver; a decomposer by supervised fine-tuning; the same after policy gradient. Each stage is
a ``reason`` command that could be given by hand in the replication's folder. An ablation is one
more policy gradient with other rewards, from the same fine-tuned model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from training.decomposer.rewards import DEFAULT_WEIGHTS

SOLVER = "gguf:solver/chain-solver.gguf"
SECOND = "gguf:second-solver/chain-solver.gguf"
PAPER = {"entities": 1.0, "subanswers": 1.0, "order": 1.0, "thought": 1.0, "correct": 1.0}
"""The five rewards of the paper, R1 to R5, together."""

ROWS, LEAST_ROWS = 4000, 64  # a step of policy gradient wants eight questions
LONGEST = "96"  # tokens of a decomposition


@dataclass(frozen=True)
class Size:
    """How large the replication is.

    Attributes:
        scale: share of the recipe's steps, rows and questions.
        seed: of everything drawn; the second solver's is the next one.
        questions: of the evaluation.
    """

    scale: float = 1.0
    seed: int = 1
    questions: int = 500

    def of(self, count: int, least: int = 2) -> str:
        """A count of the recipe at this scale."""
        return str(max(least, round(count * self.scale)))


@dataclass(frozen=True)
class Stage:
    """A folder or file of the replication, and the arguments of ``reason`` that make it."""

    name: str
    command: tuple[str, ...]


def stages(size: Size, *, ablate: bool) -> list[Stage]:
    """What is made, in order; a later stage reads the results of earlier ones."""
    made = [
        _solver("solver", size, size.seed, steps=1500, hidden=128, layers=3),
        _solver("second-solver", size, size.seed + 1, steps=1200, hidden=96, layers=4),
        _data(size),
        _sft(size),
        _export("sft"),
    ]
    for name, weights in policies(ablate=ablate).items():
        made += [_rl(name, weights, size), _export(name)]
    return made


def policies(*, ablate: bool) -> dict[str, Mapping[str, float]]:
    """The rewards of each policy gradient by its name."""
    return {"sft+rl": DEFAULT_WEIGHTS, **(_ablations() if ablate else {})}


def _ablations() -> dict[str, Mapping[str, float]]:
    """Each reward left out in its turn: of the default ones, and of the paper's five."""
    left = {f"no-{name}": _less(DEFAULT_WEIGHTS, name) for name in DEFAULT_WEIGHTS}
    return {**left, "paper": PAPER, **{f"paper-no-{name}": _less(PAPER, name) for name in PAPER}}


def _less(weights: Mapping[str, float], name: str) -> dict[str, float]:
    return {other: weight for other, weight in weights.items() if other != name}


def evaluation(size: Size, *, ablate: bool) -> tuple[str, ...]:
    """The command that prints the table."""
    named: list[str] = []
    for name in ("sft", *policies(ablate=ablate)):
        named += ["--decomposer", f"{name}=gguf:exported/{name}/decomposer.gguf"]
    return (
        *("eval", "daslam", "--solver", SOLVER, "--second-solver", SECOND, *named),
        *("--limit", size.of(size.questions), "--seed", str(size.seed)),
        *("--max-tokens", LONGEST, "--run-dir", "evaluation"),
    )


def card() -> tuple[str, ...]:
    """The command that writes the decomposer's card anew, with the table in it."""
    return (*_export("sft+rl").command, "--evaluation", "evaluation/report.json")


def _solver(name: str, size: Size, seed: int, *, steps: int, hidden: int, layers: int) -> Stage:
    command = ["train", "micro", "chains", "--out", name, "--steps", size.of(steps)]
    command += ["--hidden", str(hidden), "--layers", str(layers), "--seed", str(seed)]
    return Stage(name, (*command, "--questions", size.of(1000)))


def _data(size: Size) -> Stage:
    command = ["train", "data", "chains", "--out", "rows.jsonl", "--solver", SOLVER]
    command += ["--count", size.of(ROWS, LEAST_ROWS), "--solver-tokens", LONGEST]
    return Stage("rows.jsonl", (*command, "--seed", str(size.seed)))


def _sft(size: Size) -> Stage:
    command = ["train", "sft", "--data", "rows.jsonl", "--out", "sft", "--model", "micro"]
    command += ["--steps", size.of(500), "--batch", "64", "--rate", "1e-3"]
    return Stage("sft", (*command, "--seed", str(size.seed)))


def _rl(name: str, weights: Mapping[str, float], size: Size) -> Stage:
    command = ["train", "rl", "--data", "rows.jsonl", "--out", name, "--model", "sft/model"]
    command += ["--solver", SOLVER, "--solver-temperature", "0", "--solver-tokens", "16"]
    command += ["--steps", size.of(120), "--batch", "64", "--generations", "8", "--rate", "2e-4"]
    command += ["--beta", "0.02", "--max-tokens", LONGEST, "--seed", str(size.seed)]
    rewards = [
        text for reward in weights.items() for text in ("--reward", "{}={:g}".format(*reward))
    ]
    return Stage(name, (*command, *rewards))


def _export(name: str) -> Stage:
    out = f"exported/{name}"
    return Stage(out, ("train", "export", name, "--out", out, "--name", "decomposer"))
