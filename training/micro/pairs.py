"""(Prompt, answer) pairs of any task, and the judgement of an answer.

A pair starts from a random step of known answer (``Task.trials``). Its prompt is one of the task's
ways of asking, its answer what a rehearsal calls right; both must agree with the trial, or the task
is no teacher. The task's own parser and vote key then say what an answer is worth. All of this is
for training and measuring: a model that solves sees prompts alone.

A task may have more material than its trials. Those of Hanoi lie on the ways of solutions, where
a run will need it; half of its pairs start from any legal state, so that the rule is learnt and not
the ways.

Where prompts are many, one in 64, by hash, is never trained on. Where they are few, a step kept
back would be a step that the model cannot do, so none is.
"""

import zlib
from collections.abc import Callable
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias

from reason.errors import TaskError, UsageError
from reason.prompt import Prompt
from tasks.base import RedFlag, Task
from tasks.hanoi import micro as hanoi

PROBED = 2048  # pairs looked at beforehand
MANY = 1024  # different prompts among them from which on some are kept back
ELSEWHERE = 0.5  # share of pairs from other states than those of trials, where there are any
TRIES = 4096  # draws in search of a prompt that was kept back

Mark: TypeAlias = Literal["right", "wrong", "flagged"]

STATES: dict[str, Callable[[Any, Random], Any]] = {"hanoi": hanoi.state}
"""Random states of tasks that have others to learn from than those of their trials."""


class Pair(NamedTuple):
    """A prompt, the right answer, and the parser of answers to it."""

    prompt: Prompt
    answer: str
    parse: Callable[[str], Any]


def written(prompt: Prompt) -> str:
    """A prompt as a micro model reads it: messages one after another, each ended by a newline."""
    if isinstance(prompt, str):
        return prompt
    return "".join(f"{message['content']}\n" for message in prompt)


def held_out(prompt: Prompt) -> bool:
    """Whether a prompt belongs to the 1/64 kept for examination."""
    return zlib.crc32(written(prompt).encode()) % 64 == 0


class Pairs:
    """Draws pairs of a task. Raises UsageError for a task that gives none.

    Attributes:
        probe: pairs drawn beforehand, to learn a tokenizer from.
        keeps: whether prompts are kept back for examination.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._variants = task.variants()
        rng = Random("probe")
        try:
            self.probe = [self.any(rng) for _ in range(PROBED)]
        except (TaskError, ValueError, LookupError, NotImplementedError) as error:
            why = str(error) or type(error).__name__
            raise UsageError(
                f"no micro model can be trained for {task.label}: it gives no (prompt, answer) "
                f"pairs ({why}); its trials and rehearse must"
            ) from None
        self.keeps = len({written(pair.prompt) for pair in self.probe}) >= MANY

    def any(self, rng: Random) -> Pair:
        """A random pair. Raises ValueError where trial and rehearsal do not agree."""
        state, key = self._state(rng)
        variant = rng.choice(self._variants)
        prompt = variant.prompt(state)
        pair = Pair(prompt, self.task.rehearse(prompt).right, variant.parse)
        try:
            told = self.task.key(pair.parse(pair.answer))
        except RedFlag as flag:
            raise ValueError(f"its right answer {pair.answer!r} is {flag.reason}") from None
        if key not in (None, told):
            raise ValueError(f"its rehearsal calls {pair.answer!r} right, its trial does not")
        return pair

    def _state(self, rng: Random) -> tuple[Any, Any]:
        """A state, and the key of the right step where the task tells it."""
        if self.task.name in STATES and rng.random() < ELSEWHERE:
            return STATES[self.task.name](self.task, rng), None
        trials = self.task.trials(rng, 1)
        if not trials:
            raise ValueError("it has no trials")
        return trials[0]

    def known(self, rng: Random) -> Pair:
        """A random pair to train on."""
        while True:
            pair = self.any(rng)
            if not (self.keeps and held_out(pair.prompt)):
                return pair

    def unseen(self, rng: Random) -> Pair | None:
        """A random pair never trained on; None where there is none to be found."""
        drawn = (self.any(rng) for _ in range(TRIES if self.keeps else 0))
        return next((pair for pair in drawn if held_out(pair.prompt)), None)

    def mark(self, pair: Pair, text: str) -> Mark:
        """What an answer is worth, by the task's parser and the key of the right answer."""
        for stop in self.task.stop:
            text = text.partition(stop)[0]
        try:
            key = self.task.key(pair.parse(text))
        except RedFlag:
            return "flagged"
        return "right" if key == self.task.key(pair.parse(pair.answer)) else "wrong"
