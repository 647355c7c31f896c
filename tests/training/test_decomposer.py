"""Training a decomposer: data, rollouts, and both TRL stages for real at toy size."""

import asyncio
import json
import shutil
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from agents.questions.desk import Manner  # noqa: E402
from agents.questions.prompting import MICRO, load_prompts  # noqa: E402
from engines.base import Request, Sample  # noqa: E402
from engines.simulated import SimulatedModel  # noqa: E402
from reason.errors import EngineError, TerminalEngineError, UsageError  # noqa: E402
from tasks.chains.rehearsal import rehearse  # noqa: E402
from tests.reason.command import reason  # noqa: E402
from training.decomposer.models import load  # noqa: E402
from training.decomposer.rl import Policy, RewardBook, meets_cap, train_rl  # noqa: E402
from training.decomposer.rollout import Rollouts  # noqa: E402
from training.decomposer.rows import Row, load_rows, numbered  # noqa: E402
from training.decomposer.sft import example, train_sft  # noqa: E402
from training.decomposer.sources import chain_rows, distilled, socratic_rows, with_first_answers  # noqa: E402
from training.decomposer.trainers import Schedule, claim  # noqa: E402

pytestmark = pytest.mark.train

HEADER = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)  # promises neither fields nor weights
MANNER = Manner(temperature=0.0, max_tokens=64)
ROW = Row(
    "one",
    "Mia has 12 pens. She buys 5. She loses 8. How many now?",
    "number",
    "9",
    ("How many after she buys 5?", "How many after she loses 8?"),
    "12 + 5 = 17\n17 - 8 = 9",
    "Answer: 10",
)


def rollouts(manner: Manner = MANNER) -> Rollouts:
    solver = SimulatedModel("sim:chains", rehearse, error=0.0, flag=0.0, seed=1)
    return Rollouts(solver, load_prompts(MICRO), manner)


async def with_firsts(rows: list[Row]) -> list[Row]:
    return [row async for row in with_first_answers(rows, rollouts())]


async def test_a_single_operation_at_a_time_helps_the_solver() -> None:
    fine = await rollouts().run(ROW, numbered(ROW.subquestions))
    assert fine is not None
    assert (fine.before, fine.after) == (False, True)
    assert fine.answers == ("Answer: 17", "Answer: 9")
    coarse = await rollouts().run(ROW, "1. How many after she buys 5 and loses 8?")
    assert coarse is not None
    assert not coarse.after


async def test_an_unreadable_decomposition_costs_no_call() -> None:
    trial = rollouts()
    rollout = await trial.run(ROW, "I would not know.")
    assert rollout is not None
    assert (rollout.subquestions, rollout.after) == ((), False)
    assert trial.spending.samples == 0


class Broken:
    """A solver that fails."""

    spec = model = "broken"
    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(self, error: EngineError) -> None:
        self.error = error

    async def sample(self, request: Request) -> list[Sample]:
        raise self.error

    async def close(self) -> None: ...


async def test_a_failing_solver_teaches_nothing() -> None:
    failing = Rollouts(Broken(EngineError("reset")), load_prompts(MICRO), MANNER)
    assert await failing.run(ROW, numbered(ROW.subquestions)) is None
    dead = Rollouts(Broken(TerminalEngineError("no quota")), load_prompts(MICRO), MANNER)
    with pytest.raises(TerminalEngineError):
        await dead.run(ROW, numbered(ROW.subquestions))


def test_chain_rows_are_told_apart_and_right() -> None:
    train, unseen = chain_rows(300, 1), chain_rows(50, 1, held_out=True)
    assert not {row.question for row in train} & {row.question for row in unseen}
    assert [row.question for row in chain_rows(300, 1)] == [row.question for row in train]
    for row in train:
        assert row.solution.endswith(f"= {row.answer}")
        value = int(row.solution.split()[0])
        for line in row.solution.splitlines():
            before, sign, operand, _, after = line.split()
            assert int(before) == value
            done = {"+": value + int(operand), "-": value - int(operand)}
            done |= {"*": value * int(operand), "/": value // int(operand)}
            value = done[sign]
            assert int(after) == value


def test_a_chain_drawn_again_makes_no_second_row() -> None:
    rows = chain_rows(200, 1, (1, 1))  # so short that some are drawn twice
    assert len({row.id for row in rows}) == len({row.question for row in rows}) == 200


class Taught(Broken):
    """A teacher whose answers are given."""

    def __init__(self, *samples: Sample) -> None:
        self.samples = list(samples)

    async def sample(self, request: Request) -> list[Sample]:
        return self.samples


async def test_a_teachers_answer_that_was_cut_off_is_not_imitated() -> None:
    words = load_prompts(MICRO)
    whole = numbered(ROW.subquestions).removeprefix(words.lead("subquestions"))

    async def one() -> AsyncIterator[Row]:
        yield ROW

    async def learnt(sample: Sample) -> list[Row]:
        return [row async for row in distilled(one(), Taught(sample), words, rollouts(), 1)]

    (row,) = await learnt(Sample(whole, "stop", 1, 1, "t"))
    assert row.subquestions == ROW.subquestions
    assert await learnt(Sample(whole, "length", 1, 1, "t")) == []


async def test_a_completion_that_was_cut_off_is_rewarded_as_unreadable() -> None:
    cut_off = partial(meets_cap, ends={0}, most=3)
    book = RewardBook([ROW], rollouts(), "", cut_off)
    texts = [numbered(ROW.subquestions)] * 3
    ids = [[7, 7, 7], [7, 7, 0], [7, 0]]  # cut off, ended at the cap, ended before it
    state = SimpleNamespace(global_step=0)
    for name, marks in (("uplift", [0.0, 1.0, 1.0]), ("form", [0.0, 1.0, 1.0])):
        told = {"completions": texts, "completion_ids": ids, "id": ["one"] * 3}
        assert await book.function(name)(**told, trainer_state=state) == marks


def test_rows_of_another_seed_are_not_mixed_up(tmp_path: Path) -> None:
    make = ["train", "data", "chains", "--solver", "sim", "--count", "3", "--out", "rows.jsonl"]
    assert reason(*make).code == 0
    assert reason(*make[:-2], "--out", "rows.jsonl").code == 0
    other = reason(*make, "--seed", "2")
    assert (other.code, "name another --out" in other.complaint) == (2, True)


def test_other_rows_or_another_manner_are_another_training(tmp_path: Path) -> None:
    out = tmp_path / "sft"
    taught(out)
    rows = asyncio.run(with_firsts(chain_rows(32, 2)))
    with pytest.raises(UsageError, match="other data"):
        train_sft("micro", rows, out, SHORT, rank=0, restart=False, on_log=unheard)


def test_a_training_of_an_earlier_version_is_known_again(tmp_path: Path) -> None:
    out = tmp_path / "sft"
    taught(out)
    told = json.loads((out / "stage.json").read_text())
    del told["data"]
    (out / "stage.json").write_text(json.dumps(told))
    assert taught(out) == []


def test_socratic_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    answer = "How many eggs? ** 16-3-4=<<16-3-4=9>>9\nHow much? ** 9*2=<<9*2=18>>18\n#### 18"
    path.write_text(json.dumps({"question": "Janet?", "answer": answer}) + "\n")
    (row,) = socratic_rows(path)
    assert row.subquestions == ("How many eggs?", "How much?")
    assert (row.answer, row.solution) == ("18", "16-3-4=9\n9*2=18")
    path.write_text(json.dumps({"question": "Janet?", "answer": "18"}) + "\n")
    with pytest.raises(UsageError, match="line 1 is not socratic"):
        socratic_rows(path)


def test_bad_data_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data file"):
        load_rows(tmp_path / "none.jsonl")
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"id": "a", "question": "Q?", "kind": "number"}) + "\n")
    with pytest.raises(UsageError, match="row 1 lacks answer"):
        load_rows(path)
    path.write_text(json.dumps(ROW.to_dict() | {"first": None}) + "\n")
    with pytest.raises(UsageError, match="has no 'first'"):
        load_rows(path, ["first"])
    path.write_text(json.dumps(ROW.to_dict()) + "\n" + json.dumps(ROW.to_dict()) + "\n")
    with pytest.raises(UsageError, match="row 2 has the id 'one' of row 1"):
        load_rows(path)
    path.write_text(json.dumps(ROW.to_dict() | {"first": None}) + "\n")
    assert load_rows(path)[0].subquestions == ROW.subquestions


def test_the_completion_goes_on_where_the_prompt_ends() -> None:
    told = example(ROW, load_prompts(MICRO))
    assert (told["prompt"] + told["completion"]).endswith("\n" + numbered(ROW.subquestions))
    assert "Attempt: Answer: 10" in told["prompt"]
    chat = example(ROW, load_prompts())
    assert chat["completion"][0]["content"] == numbered(ROW.subquestions)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is not a GGUF file"), (b"GGUF" + bytes(90), "version 0"), (HEADER, "cannot load")],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "none.gguf"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        load(f"gguf:{path}", 1, tmp_path)
    assert not (tmp_path / "base").exists()


SHORT = Schedule(steps=2, batch=4, learning_rate=1e-3, save_every=1)


def unheard(step: int, figures: dict[str, float]) -> None:
    """Nobody watches."""


def taught(out: Path, *, restart: bool = False, schedule: Schedule = SHORT) -> list[int]:
    """The steps of a fine-tuning in ``out``."""
    steps: list[int] = []
    rows = asyncio.run(with_firsts(chain_rows(32, 1)))

    def on_log(step: int, figures: dict[str, float]) -> None:
        if "loss" in figures:
            steps.append(step)

    train_sft("micro", rows, out, schedule, rank=0, restart=restart, on_log=on_log)
    return steps


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def test_a_finished_stage_is_left_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "sft"
    assert taught(out) == [1, 2]
    made = weights(out)
    assert taught(out) == []
    assert weights(out) == made
    assert taught(out, restart=True) == [1, 2]
    assert weights(out) == made


def test_a_kill_after_the_last_checkpoint_costs_no_further_step(tmp_path: Path) -> None:
    out = tmp_path / "sft"
    taught(out)
    made, told = weights(out), json.loads((out / "training.json").read_text())
    (out / "training.json").unlink()
    shutil.rmtree(out / "model")
    assert taught(out) == []
    assert weights(out) == made
    assert json.loads((out / "training.json").read_text()) == told
    assert not (out / "checkpoints" / "checkpoint-3").exists()


def test_a_lora_is_finished_from_its_last_checkpoint_too(tmp_path: Path) -> None:
    taught(tmp_path / "base")
    rows = asyncio.run(with_firsts(chain_rows(8, 1)))
    model, policy = str(tmp_path / "base" / "model"), Policy(generations=2, max_tokens=8)

    def sft(out: Path) -> None:
        train_sft(model, rows, out, SHORT, rank=2, restart=False, on_log=unheard)

    def rl(out: Path) -> None:
        adapter, solver = str(tmp_path / "sft" / "model"), rollouts()
        train_rl(adapter, rows, out, SHORT, policy, solver, rank=0, restart=False, on_log=unheard)

    for name, stage in (("sft", sft), ("rl", rl)):
        out = tmp_path / name
        stage(out)
        adapter = out / "model" / "adapter_model.safetensors"
        made = adapter.read_bytes()
        (out / "training.json").unlink()
        adapter.unlink()
        stage(out)
        assert adapter.read_bytes() == made


def test_a_restart_throws_all_of_the_old_training_away(tmp_path: Path) -> None:
    out = tmp_path / "sft"
    taught(out)
    (out / "base").mkdir()
    with pytest.raises(UsageError, match="other schedule"):
        taught(out, schedule=replace(SHORT, steps=3))
    claim(out, {"stage": "sft", "model": "micro"}, restart=True)
    assert {path.name for path in out.iterdir()} == {"stage.json"}


def test_a_restart_keeps_the_model_that_it_would_begin_with(tmp_path: Path) -> None:
    out = tmp_path / "sft"
    taught(out)
    with pytest.raises(UsageError, match="the model to train"):
        claim(out, {"stage": "rl", "model": str(out / "model")}, restart=True)
    assert weights(out)


def test_a_lora_on_random_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave --rank out"):
        train_sft("micro", [ROW], tmp_path / "a", SHORT, rank=8, restart=False, on_log=unheard)
    assert not (tmp_path / "a").exists()


def test_too_few_rows_for_a_step_are_refused(tmp_path: Path) -> None:
    out, few = tmp_path / "rl", chain_rows(3, 1)
    policy, schedule = Policy(generations=8), replace(SHORT, batch=32)
    with pytest.raises(UsageError, match="takes 4 rows and the data has 3"):
        train_rl(
            "micro", few, out, schedule, policy, rollouts(), rank=0, restart=False, on_log=unheard
        )
    assert not out.exists()


def test_both_stages_train_and_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    rows = asyncio.run(with_firsts(chain_rows(32, 1)))
    taught(tmp_path / "sft")
    model, on_log = str(tmp_path / "sft" / "model"), unheard
    for algorithm in ("rloo", "grpo"):
        out = tmp_path / algorithm
        policy = Policy(algorithm, generations=2, max_tokens=8)
        schedule = Schedule(steps=2, batch=4, learning_rate=1e-4, save_every=1)
        both = {"rank": 0, "restart": False, "on_log": on_log}
        train_rl(model, rows, out, schedule, policy, rollouts(), **both)  # type: ignore[arg-type]
        told = json.loads((out / "training.json").read_text())
        assert [row["step"] for row in told["history"]] == [1, 2]
        assert "rewards/uplift/mean" in told["history"][0]
        assert "kl" in told["history"][0]
        made = weights(out)
        (out / "training.json").unlink()  # as if killed after the last checkpoint
        train_rl(model, rows, out, schedule, policy, rollouts(), **both)  # type: ignore[arg-type]
        assert weights(out) == made
        train_rl(model, rows, out, schedule, policy, rollouts(), **both)  # type: ignore[arg-type]
        assert not (out / "checkpoints" / "checkpoint-3").exists()
        slower = rollouts(replace(MANNER, k=3))
        with pytest.raises(UsageError, match="other manner"):
            train_rl(model, rows, out, schedule, policy, slower, **both)  # type: ignore[arg-type]
        again = Policy(algorithm, generations=4)
        with pytest.raises(UsageError, match="other policy"):
            train_rl(model, rows, out, schedule, again, rollouts(), **both)  # type: ignore[arg-type]
