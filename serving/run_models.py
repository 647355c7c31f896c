"""What the runs API takes and gives, as JSON."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.policy import OnNoConvergence
from reason.errors import UsageError
from reason.settings import RunOptions


class UnknownRun(UsageError):
    """There is no such run, step or question."""


class Progress(BaseModel):
    """How a run stands.

    ``rate`` is in steps a second, lately where the run is under way and over all sessions where it
    is not; ``eta`` is in seconds; ``cost_usd`` is None when a price is unknown; ``actions`` are
    what may be asked of the run now.
    """

    kind: Literal["run"] = "run"
    id: str
    status: str
    message: str = ""
    created: str = ""
    task: str = ""
    task_name: str = ""
    model: str = ""
    k: int | None = None
    steps: int = 0
    steps_total: int | None = None
    votes: int = 0
    flagged: int = 0
    surplus: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    seconds: float = 0.0
    rate: float = 0.0
    eta: float | None = None
    hash: str = ""
    actions: list[Literal["cancel", "resume"]] = []


class Step(BaseModel):
    """A committed step; the tally's first number is the winner's votes."""

    step: int
    action: str
    state: str
    votes: int
    flagged: int
    rounds: int
    tally: str
    prompt_tokens: int
    completion_tokens: int
    surplus: int


class Answer(BaseModel):
    """A raw answer; ``flag`` says why it was discarded, if it was."""

    draw: int
    text: str
    finish: str
    flag: str
    model: str


class Bucket(BaseModel):
    """What steps ``first`` to ``last`` come to; ``most`` is the answers of the hardest of them."""

    first: int
    last: int
    votes: int
    flagged: int
    most: int


class Frame(BaseModel):
    """The pegs after a step, each from its lowest disk up; ``action`` is empty at step 0."""

    step: int
    action: str
    pegs: tuple[list[int], list[int], list[int]]


class Parting(BaseModel):
    """Where two journals part: the first step at which they differ, None as long as they agree."""

    same_problem: bool
    common: int
    parts_at: int | None
    left: Step | None = None
    right: Step | None = None


class NewRun(BaseModel):
    """A run to make; options that are left out are those of the server's settings."""

    model_config = ConfigDict(extra="forbid")

    task: dict[str, Any] = Field(examples=[{"name": "hanoi", "disks": 6}])
    options: RunOptions = Field(default_factory=lambda: RunOptions.model_validate({}))
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")


class Changes(BaseModel):
    """What may change when a run goes on: limits, and ways out of a dead end."""

    model_config = ConfigDict(extra="forbid")

    budget_tokens: int | None = None
    budget_usd: float | None = None
    budget_seconds: float | None = None
    max_votes: int | None = None
    concurrency: int | None = None
    variants: int | None = None
    on_no_convergence: OnNoConvergence | None = None
    escalate_model: str | None = None
    rollback: int | None = None
