"""Stage two, policy gradient: the decomposer against the frozen solver.

A rollout is one completion: all subquestions for a question and the solver's first answer. Its
reward comes from the ``daslam`` graph around the solver, run once per completion and shared by all
reward functions. RLOO is the default, the plain policy gradient with a leave-one-out baseline and
the KL to the fine-tuned model inside the reward; GRPO is the other choice. PPO, which the paper
used, left TRL with version 1.13.
"""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from reason.errors import EngineError, UsageError
from training.decomposer.models import check_rank, load, lora
from training.decomposer.rewards import DEFAULT_WEIGHTS, REWARDS
from training.decomposer.rollout import Rollout, Trying
from training.decomposer.rows import Row, fingerprint
from training.decomposer.sft import prompt
from training.decomposer.trainers import (
    OnLog,
    Schedule,
    claim,
    common,
    finished,
    processes,
    run,
    watcher,
)

Algorithm: TypeAlias = Literal["rloo", "grpo"]
UNREADABLE = ""  # a decomposition in which nothing can be read

RewardFunction = Callable[..., Awaitable[list[float | None]]]


@dataclass(frozen=True)
class Policy:
    """Settings of the policy gradient.

    Attributes:
        algorithm: rloo or grpo.
        generations: completions per question; a batch holds whole groups of them.
        beta: weight of the KL to the fine-tuned model.
        temperature: of the completions.
        max_tokens: of a completion.
        weights: of the reward functions by name; those not named are not computed.
        vllm: ``colocate`` or ``server`` generates with vLLM; nothing generates with transformers.
        vllm_url: base URL of the server.
    """

    algorithm: Algorithm = "rloo"
    generations: int = 8
    beta: float = 0.02
    temperature: float = 1.0
    max_tokens: int = 128
    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    vllm: Literal["", "colocate", "server"] = ""
    vllm_url: str = ""


class RewardBook:
    """Rollouts of the completions in hand, each made once however many rewards read it.

    Args:
        rows: by id.
        rollouts: tries decompositions out.
        lead: what every completion is the continuation of.
        cut_off: tells by its tokens a completion that met the cap, which in use is a red flag.
    """

    def __init__(
        self, rows: Sequence[Row], rollouts: Trying, lead: str, cut_off: Callable[[list[int]], bool]
    ) -> None:
        self.rows = {row.id: row for row in rows}
        self.rollouts, self.lead, self._cut_off = rollouts, lead, cut_off
        self._tasks: dict[tuple[str, str], asyncio.Task[Rollout | None]] = {}
        self._step = -1

    def function(self, name: str) -> RewardFunction:
        """The reward of a name as TRL wants it."""
        reward = REWARDS[name]

        async def scored(
            completions: list[Any],
            completion_ids: list[list[int]],
            id: list[str],
            trainer_state: Any,
            **_: Any,
        ) -> list[float | None]:
            texts = [
                UNREADABLE if self._cut_off(ids) else self.lead + _text(completion)
                for completion, ids in zip(completions, completion_ids, strict=True)
            ]
            done = await self._all(trainer_state.global_step, list(zip(id, texts, strict=True)))
            return [
                None if rollout is None else reward(self.rows[key], rollout)
                for key, rollout in zip(id, done, strict=True)
            ]

        scored.__name__ = name
        return scored

    async def _all(self, step: int, keys: list[tuple[str, str]]) -> list[Rollout | None]:
        if step != self._step:
            self._step, self._tasks = step, {}
        for key in keys:
            if key not in self._tasks:
                run = self.rollouts.run(self.rows[key[0]], key[1])
                self._tasks[key] = asyncio.ensure_future(run)
        done = await asyncio.gather(*(self._tasks[key] for key in keys))
        if all(rollout is None for rollout in done):
            raise EngineError(f"{self.rollouts.spec} failed on every rollout of step {step}")
        return done


def meets_cap(ids: Sequence[int], ends: Collection[int], most: int) -> bool:
    """Whether a completion was cut off rather than ended by its model."""
    return len(ids) >= most and ids[-1] not in ends


def _text(completion: Any) -> str:
    """The text of a completion, plain or conversational."""
    return completion if isinstance(completion, str) else str(completion[0]["content"])


def train_rl(
    model: str,
    rows: Sequence[Row],
    out: Path,
    schedule: Schedule,
    policy: Policy,
    rollouts: Trying,
    *,
    rank: int,
    restart: bool,
    on_log: OnLog,
) -> None:
    """Train ``model`` into ``out/model``, from a checkpoint there if any; close the solver.

    A training that is finished is left as it is.

    Args:
        model: the fine-tuned model or adapter; the KL is to it.
        rows: with right answers and the solver's first answers.
        out: folder of this stage.
        schedule: steps, completions per step and rate.
        policy: settings of the policy gradient.
        rollouts: the frozen solver.
        rank: of a new LoRA; 0 trains the adapter that there is, or all weights.
        restart: whether checkpoints are thrown away first.
        on_log: told the figures of every step.

    Raises UsageError for another stage's folder, an unusable model or too few rows, EngineError
    when the solver fails for good; the last checkpoint is then gone on from.
    """
    check_rank(model, rank)
    _check_enough(len(rows), schedule, policy)
    settings = {
        "stage": "rl",
        "model": model,
        "solver": rollouts.spec,
        "manner": asdict(rollouts.manner),
        "rows": len(rows),
        "data": fingerprint(rows),
        "rank": rank,
        "schedule": {**schedule.__dict__, "report_to": list(schedule.report_to)},
        "policy": {**policy.__dict__, "weights": dict(policy.weights)},
    }
    claim(out, settings, restart=restart)
    if finished(out, restart=restart):
        asyncio.run(rollouts.close())
        return
    decomposer = load(model, schedule.seed, out)
    lead = decomposer.words.lead("subquestions")
    ends = {decomposer.tokenizer.eos_token_id, decomposer.tokenizer.pad_token_id}
    cut_off = partial(meets_cap, ends=ends, most=policy.max_tokens)
    book = RewardBook(rows, rollouts, lead, cut_off)
    data = Dataset.from_list(
        [{"id": row.id, "prompt": prompt(row, decomposer.words)} for row in rows]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, about settings that are meant so
        trainer = _trainer(policy)(
            model=decomposer.model,
            reward_funcs=[book.function(name) for name in policy.weights],
            args=_config(schedule, policy, out),
            train_dataset=data,
            processing_class=decomposer.tokenizer,
            peft_config=lora(rank),
            callbacks=[watcher(on_log)],
        )
        try:
            run(trainer, out, settings)
        finally:  # its connections belong to the loop that the rewards ran on
            closing = asyncio.run_coroutine_threadsafe(rollouts.close(), trainer.async_loop)
            closing.result()


def _check_enough(rows: int, schedule: Schedule, policy: Policy) -> None:
    """A step takes whole groups of other questions; TRL drops the rows that do not fill one."""
    completions = schedule.batch * schedule.accumulate * processes()
    wanted = -(-completions // policy.generations)
    if rows < wanted:
        raise UsageError(
            f"a step of {completions} completions, {policy.generations} to a question, takes "
            f"{wanted} rows and the data has {rows}: give more rows or a smaller --batch"
        )


def _trainer(policy: Policy) -> Any:
    return RLOOTrainer if policy.algorithm == "rloo" else GRPOTrainer


def _config(schedule: Schedule, policy: Policy, out: Path) -> Any:
    kind = RLOOConfig if policy.algorithm == "rloo" else GRPOConfig
    vllm: dict[str, Any] = {}
    if policy.vllm:
        vllm = {"use_vllm": True, "vllm_mode": policy.vllm}
    if policy.vllm_url:
        vllm["vllm_server_base_url"] = policy.vllm_url
    return kind(
        **common(schedule, out),
        **vllm,
        num_generations=policy.generations,
        beta=policy.beta,
        temperature=policy.temperature,
        max_completion_length=policy.max_tokens,
        reward_weights=list(policy.weights.values()),
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=min(10, schedule.steps // 10),
    )
