"""What a run comes to: the one object of ``--json`` and of ``summary.json``."""

from typing import Literal, TypeAlias

from pydantic import BaseModel

Status: TypeAlias = Literal[
    "solved", "wrong", "budget", "interrupted", "engine_error", "no_convergence"
]

EXIT_CODES: dict[str, int] = {
    "solved": 0,
    "wrong": 1,
    "budget": 3,
    "engine_error": 4,
    "no_convergence": 5,
    "interrupted": 130,
}


class Tokens(BaseModel):
    """Tokens over all sessions and models of a run."""

    prompt: int
    completion: int


class Summary(BaseModel):
    """The outcome of a run so far.

    ``votes`` counts valid votes, ``flagged`` the red-flagged answers, ``surplus_votes`` those drawn
    and thrown away; ``cost_usd`` is None when a price is unknown; ``seconds`` is working time over
    all sessions; ``result`` is what a finished task answers, where its steps are not the answer;
    ``hash`` is the journal's last chain hash.
    """

    run_id: str
    task: str
    status: Status
    verified: bool
    steps: int
    steps_total: int | None
    votes: int
    flagged: int
    surplus_votes: int
    k: int | None
    model: str
    tokens: Tokens
    cost_usd: float | None
    seconds: float
    run_dir: str
    result: str = ""
    message: str = ""
    hash: str = ""

    @property
    def exit_code(self) -> int:
        """What the command line returns for this outcome."""
        return EXIT_CODES[self.status]
