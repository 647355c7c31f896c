"""Flags of the commands that answer questions, written down once.

``solve "QUESTION"``, ``eval qa``, ``eval daslam`` and ``serve`` take what shapes the answer to a
question from here: which models, which votes, which limits. A command names its own parameters,
ends them with ``**flags`` and is decorated with :func:`asks`.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer

from agents.questions.desk import Manner
from agents.questions.strategies import Strategy
from reason.asking import AskOptions, ask_engine_options
from reason.commands.flags import flag
from reason.errors import UsageError
from reason.settings import load_settings

C = TypeVar("C", bound=Callable[..., None])

DEFAULTS = Manner()
PANEL = "How questions are answered"
CLUSTER = "ray spreads the work over the nodes of a Ray cluster."

ClusterFlag = Annotated[str | None, typer.Option(help=CLUSTER)]
"""The same flag for commands that answer no questions."""


def _option(name: str, kind: Any, default: Any, help: str, *names: str, **more: Any) -> Any:
    return flag(name, kind, default, typer.Option(*names, help=help, rich_help_panel=PANEL, **more))


def _manner(name: str, kind: Any, help: str, *names: str, **more: Any) -> Any:
    """A flag of one of the fields of :class:`agents.questions.desk.Manner`."""
    return _option(name, kind, getattr(DEFAULTS, name), help, *names, **more)


FLAGS: dict[str, inspect.Parameter] = {
    parameter.name: parameter
    for parameter in (
        _option("model", str | None, None, "Model of the solver.", "--model", "-m", "--solver"),
        _option("decomposer", str | None, None, "Model of the decomposer. [default: the solver's]"),
        _option("judge", str | None, None, "Model of the judge. [default: the decomposer's]"),
        _manner("k", int, "Margin of every vote.", "--k", min=1),
        _manner("sub_k", int, "Margin of votes on sub-answers; 1 takes the first.", min=1),
        _manner("temperature", float, "Temperature of all but first answers.", min=0, max=2),
        _manner("max_tokens", int, "Completion cap; longer answers are red-flagged.", min=1),
        _manner("max_votes", int, "Answers that one vote may use.", min=1),
        _manner("max_calls", int, "Answers that one question may use in all.", min=1),
        _manner("max_depth", int, "Levels of decomposition.", min=0),
        _manner("proposals", int, "Decompositions to choose from.", min=1),
        _manner("max_subquestions", int, "Questions that the decomposer may ask.", min=1),
        _manner(
            "structured",
            bool,
            "Hold decomposers and judges to JSON where the server can.",
            "--structured/--no-structured",
        ),
        _option("prompts", Path | None, None, "Folder with prompt files of your own."),
        _option("parallel", int, 8, "Questions worked on at once.", min=1),
        _option("concurrency", int | None, None, "Requests in flight to each server."),
        _option("engine_cluster", str | None, None, CLUSTER),
        _option("budget_tokens", int | None, None, "Tokens to be spent."),
        _option("budget_usd", float | None, None, "Dollars to be spent."),
    )
}
"""All of them, by name."""


def asks(*left_out: str, **own: Any) -> Callable[[C], C]:
    """Give a command these flags in place of its ``**flags``.

    Args:
        left_out: flags that the command has no use for.
        own: defaults of the command's own; a flag that it defines itself is left to it.
    """

    def decorate(command: C) -> C:
        signature = inspect.signature(command)
        taken = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        named = {parameter.name for parameter in taken}
        shared = [
            parameter.replace(default=own.get(name, parameter.default))
            for name, parameter in FLAGS.items()
            if name not in named and name not in left_out
        ]
        keywords = [p.replace(kind=p.KEYWORD_ONLY) for p in taken]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*keywords, *shared]
        )
        return command

    return decorate


def ask_options(strategy: str, flags: dict[str, Any]) -> AskOptions:
    """Options from flags, and from the settings what no flag gives. Raises UsageError."""
    if strategy not in get_args(Strategy):
        known = ", ".join(get_args(Strategy))
        raise UsageError(f"--strategy must be one of {known}, not {strategy!r}")
    shared = ("concurrency", "budget_tokens", "budget_usd", "engine_cluster")
    settings = load_settings({name: flags.get(name) for name in shared})
    given = {field.name: flags[field.name] for field in fields(Manner) if field.name in flags}
    given["max_votes"] = max(given["max_votes"], given["k"], given["sub_k"])
    lean = settings.transport == "lean"
    options = AskOptions(
        strategy,  # type: ignore[arg-type]
        flags["model"] or settings.model[0],
        flags["decomposer"],
        flags["judge"],
        Manner(**given),
        flags["prompts"],
        flags["parallel"],
        settings.budget_tokens,
        settings.budget_usd,
        ask_engine_options(settings.concurrency, lean=lean, prices=settings.prices),
        settings.engine_cluster,
    )
    options.check()
    return options
