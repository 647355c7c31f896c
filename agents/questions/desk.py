"""The desk at which one question is worked on: who is asked, how, and how often at most.

Every call of a strategy goes through here, so every answer is charged, in the order asked for, and
a question that runs wild stops at its own limit without hurting the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from agents.questions.prompting import Prompts
from agents.spending import Spending
from engines.base import Engine, Request, Sample
from reason.errors import NoConvergence

Role: TypeAlias = Literal["solver", "decomposer", "judge"]


@dataclass(frozen=True)
class Manner:
    """How questions are worked on.

    Attributes:
        k: margin of every vote.
        sub_k: margin of the votes on ``daslam``'s sub-answers; 1 takes the first readable one.
        max_votes: answers that one vote may use.
        first_temperature, temperature: of a vote's first answer, and of all others.
        max_tokens: completion cap; a longer answer is red-flagged.
        max_calls: answers that one question may use in all.
        max_depth: levels of decomposition.
        proposals: decompositions proposed before one is chosen.
        max_subquestions: of a decomposer that reads the first answer.
        structured: whether decomposers and judges are held to JSON where servers can do that.
    """

    k: int = 2
    sub_k: int = 1
    max_votes: int = 20
    first_temperature: float = 0.0
    temperature: float = 0.7
    max_tokens: int = 512
    max_calls: int = 1000
    max_depth: int = 6
    proposals: int = 3
    max_subquestions: int = 8
    structured: bool = True


class Call(NamedTuple):
    """Answers that have come in, for whoever watches.

    Attributes:
        role: who gave them.
        prompt: name of the prompt that they answer.
        first: number of the first of them among all answers to that prompt, from 0.
        samples: the answers.
    """

    role: Role
    prompt: str
    first: int
    samples: list[Sample]


Watch: TypeAlias = Callable[[Call], None]
"""Told of every call of a question, in the order in which the answers come in."""


class Desk:
    """See the module's text.

    Args:
        engines: who answers, by role.
        manner: how.
        prompts: in which words, by role: each model may want its own.
        spending: where every answer is charged.
        check: called before every call; raises when a budget is spent.
        watch: called after every call.

    Attributes:
        calls: answers drawn so far.
    """

    def __init__(
        self,
        engines: dict[Role, Engine],
        manner: Manner,
        prompts: dict[Role, Prompts],
        spending: Spending,
        check: Callable[[], None] = lambda: None,
        watch: Watch = lambda call: None,
    ) -> None:
        self.engines, self.manner, self.prompts = engines, manner, prompts
        self.spending, self.check, self.watch = spending, check, watch
        self.calls = 0

    async def ask(
        self, role: Role, prompt: str, fields: dict[str, str], *, first: int = 0, count: int = 1
    ) -> list[Sample]:
        """Answers ``first`` to ``first + count - 1`` to a prompt, in order.

        Raises NoConvergence at the question's limit, EngineError, BudgetReached.
        """
        self.check()
        self.calls += count
        if self.calls > self.manner.max_calls:
            raise NoConvergence(f"the question used up its {self.manner.max_calls} answers")
        manner, engine = self.manner, self.engines[role]
        heats = tuple(
            manner.temperature if draw else manner.first_temperature
            for draw in range(first, first + count)
        )
        words = self.prompts[role]
        form = words.form(prompt, **fields) if manner.structured else None
        asked = words.write(prompt, **fields)
        request = Request(asked, manner.max_tokens, heats, first, form=form)
        samples = await engine.sample(request)
        for sample in samples:
            self.spending.add(engine.model, sample)
        self.watch(Call(role, prompt, first, samples))
        lead = words.lead(prompt)
        return [sample._replace(text=lead + sample.text) for sample in samples] if lead else samples
