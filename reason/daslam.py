"""``reason eval daslam``: what a trained decomposer is worth, on problems that nothing has seen.

Every configuration answers the same questions. ``alone`` is the solver's one answer, ``vote`` its
vote; in ``prompted`` the solver is its own decomposer, untrained for it; the others are the
``daslam`` strategy with one decomposer each. A second solver, which no decomposer was trained on,
shows whether the guidance is the solver's own or any solver's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.questions.strategies import Strategy
from reason.asking import EMBEDDED, AskOptions
from reason.errors import UsageError
from tasks.chains.micro import DECOMPOSER, DECOMPOSER_SFT, SOLVER, SOLVER_2

OWN = {"sft": f"gguf:{DECOMPOSER_SFT}", "sft+rl": f"gguf:{DECOMPOSER}"}
"""The decomposers that ship, by stage of their training."""


def configurations(
    base: AskOptions, decomposers: Mapping[str, str], second: str | None
) -> dict[str, AskOptions]:
    """What is compared, by name.

    Args:
        base: the solver and how questions are worked on.
        decomposers: specs by name, as :func:`read_named` reads them; the shipped ones are added for
            the embedded solver.
        second: spec of a second solver.
    """
    embedded = base.solver == EMBEDDED
    known = {**(OWN if embedded else {}), **decomposers}
    second = second or (f"gguf:{SOLVER_2}" if embedded else None)
    compared = _of_solver(base, known, "")
    if second is not None:
        compared |= _of_solver(replace(base, solver=second), known, "second-")
    return compared


def _of_solver(base: AskOptions, known: Mapping[str, str], mark: str) -> dict[str, AskOptions]:
    def made(strategy: Strategy, decomposer: str | None = None) -> AskOptions:
        return replace(base, strategy=strategy, decomposer=decomposer)

    compared = {
        "alone": made("direct"),
        "vote": made("vote"),
        "prompted": made("daslam", _file(base.solver)),
    }
    compared |= {name: made("daslam", spec) for name, spec in known.items()}
    return {f"{mark}{name}": options for name, options in compared.items()}


def _file(solver: str) -> str:
    """The solver as its own decomposer: ``embedded`` would mean the trained one there."""
    return f"gguf:{SOLVER}" if solver == EMBEDDED else solver


def read_named(texts: Sequence[str]) -> dict[str, str]:
    """Decomposers as in ``mine=gguf:mine.gguf``. Raises UsageError."""
    named = {}
    for text in texts:
        name, mark, spec = text.partition("=")
        if not (mark and spec and name.replace("-", "").replace("+", "").isalnum()):
            raise UsageError(f"--decomposer {text}: write NAME=SPEC, such as mine=gguf:mine.gguf")
        named[name] = spec
    return named
