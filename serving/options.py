"""The key ``reason`` of a request: how its question is answered, and what that may cost.

Everything is optional and stands over what the server was started with. A budget may only be
lower than the server's own. Unknown keys are refused: a misspelt budget must not go unnoticed.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.questions.base import Kind

Heat = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]


class ReasonOptions(BaseModel):
    """What a request may set."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Kind | None = Field(
        default=None, description="Of the answer; decides when two are the same."
    )
    k: int | None = Field(default=None, ge=1, le=100, description="Margin of every vote.")
    sub_k: int | None = Field(default=None, ge=1, le=100, description="Of votes on sub-answers.")
    max_votes: int | None = Field(default=None, ge=1, le=10_000, description="Answers of one vote.")
    first_temperature: Heat | None = Field(default=None, description="Of a vote's first answer.")
    temperature: Heat | None = Field(default=None, description="Of all later answers.")
    max_tokens: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Of one inner answer."
    )
    max_depth: int | None = Field(default=None, ge=0, le=20, description="Levels of decomposition.")
    proposals: int | None = Field(
        default=None, ge=1, le=50, description="Decompositions to choose from."
    )
    max_subquestions: int | None = Field(
        default=None, ge=1, le=50, description="Of the decomposer."
    )
    max_calls: int | None = Field(default=None, ge=1, description="Budget: inner answers in all.")
    budget_tokens: int | None = Field(default=None, ge=1, description="Budget: tokens in all.")
    budget_usd: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Budget: dollars in all."
    )
    budget_seconds: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Budget: working seconds."
    )

    @model_validator(mode="after")
    def _can_decide(self) -> "ReasonOptions":
        k = max(self.k or 0, self.sub_k or 0)
        if self.max_votes and self.max_votes < k:
            raise ValueError(f"max_votes {self.max_votes} cannot decide a vote with k {k}")
        return self
