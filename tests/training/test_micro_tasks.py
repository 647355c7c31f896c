"""Micro models of any task, and the policy gradient on their errors: real trainers at toy size."""

import json
from pathlib import Path
from random import Random

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from engines.base import Request  # noqa: E402
from engines.options import EngineOptions  # noqa: E402
from engines.spec import open_engine  # noqa: E402
from reason.errors import UsageError  # noqa: E402
from tasks.base import Answers, Task  # noqa: E402
from tasks.catalog import build_task, describe  # noqa: E402
from tasks.hanoi.task import BUNDLED  # noqa: E402
from tasks.scaffold import write_package  # noqa: E402
from tests.reason.command import reason  # noqa: E402
from training.micro.load import load_micro  # noqa: E402
from training.micro.pairs import Pairs, held_out, written  # noqa: E402
from training.micro.subjects import subject_of  # noqa: E402
from training.micro.trainer import MicroRecipe, build_model  # noqa: E402

pytestmark = pytest.mark.train

TOY = ["--steps", "2", "--batch", "4", "--hidden", "32", "--layers", "1", "--questions", "4"]
SHORT = ["--train-steps", "2", "--rounds", "2", "--batch", "4", "--generations", "2"]
FEW = ["--mine", "12", "--samples", "6", "--threads", "1"]

PROBLEMS = [
    {"name": "hanoi", "disks": 5},
    {"name": "multiplication", "digits": 3},
    {"name": "sorting", "length": 12},
    {"name": "arithmetic", "length": 9},
]


def task_of(problem: dict[str, object]) -> Task:
    arguments = dict(problem)
    name = str(arguments.pop("name"))
    return build_task(describe(name, arguments), "compact")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: str(problem["name"]))
def test_every_built_in_task_teaches_itself(problem: dict[str, object]) -> None:
    """Right answers are right, a rehearsal's wrong ones are wrong, all else is flagged."""
    task = task_of(problem)
    pairs = Pairs(task)
    for pair in pairs.probe[:50]:
        assert pairs.mark(pair, pair.answer) == "right"
        for wrong in task.rehearse(pair.prompt).wrong:
            assert pairs.mark(pair, wrong) in ("wrong", "flagged")
        assert pairs.mark(pair, "what?") == "flagged"


def test_prompts_kept_back_are_never_trained_on() -> None:
    pairs = Pairs(task_of({"name": "arithmetic", "length": 50}))
    assert pairs.keeps
    rng = Random(1)
    assert not any(held_out(pairs.known(rng).prompt) for _ in range(300))
    unseen = pairs.unseen(rng)
    assert unseen is not None
    assert held_out(unseen.prompt)
    assert Pairs(task_of({"name": "sorting", "length": 3})).unseen(rng) is None


def test_a_task_without_pairs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of({"name": "sorting", "length": 5})
    monkeypatch.setattr(task, "trials", lambda rng, count: [])
    with pytest.raises(UsageError, match="it has no trials"):
        Pairs(task)
    task = task_of({"name": "sorting", "length": 5})
    monkeypatch.setattr(task, "rehearse", lambda prompt: Answers("no form", ("x",)))
    with pytest.raises(UsageError, match="'no form' is malformed"):
        Pairs(task)


def test_a_step_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.micro.subjects.CONTEXT", 50)
    with pytest.raises(UsageError, match="a micro model has 50"):
        subject_of(task_of({"name": "sorting", "length": 12}))


def test_words_are_tokens_and_digits_stay_apart() -> None:
    subject = subject_of(task_of({"name": "arithmetic", "length": 9}))
    tokenizer = subject.tokenizer()
    prompt, _ = subject.draw(Random(3))
    assert tokenizer.decode(tokenizer(prompt)["input_ids"]) == prompt
    assert len(tokenizer(prompt)["input_ids"]) < len(prompt) / 3
    assert tokenizer.tokenize("value = 305") == ["value", "Ġ=", "Ġ", "3", "0", "5"]


@pytest.mark.real_model
async def test_a_chat_is_read_by_llama_cpp_as_in_training(tmp_path: Path) -> None:
    """The same greedy answer to messages as to the text that the model was trained on."""
    from training.micro.export import export_gguf

    subject = subject_of(task := task_of({"name": "sorting", "length": 12}))
    tokenizer = subject.tokenizer()
    model = build_model(MicroRecipe(hidden=32, layers=1, heads=2, inner=32), tokenizer)
    export_gguf(model, tokenizer, tmp_path / "m.gguf", "m")
    engine = open_engine(f"gguf:{tmp_path / 'm.gguf'}", EngineOptions(threads=1))
    try:
        for pair in Pairs(task).probe[:3]:
            (chat,) = await engine.sample(Request(pair.prompt, 6, (0.0,)))
            (text,) = await engine.sample(Request(written(pair.prompt), 6, (0.0,)))
            assert chat == text
    finally:
        await engine.close()


def test_a_gguf_file_is_read_back_whole() -> None:
    from transformers import LlamaForCausalLM

    model, tokenizer = load_micro(BUNDLED)
    assert isinstance(model, LlamaForCausalLM)
    pairs = Pairs(task_of({"name": "hanoi", "disks": 6}))
    for pair in pairs.probe[:5]:
        ids = tokenizer(written(pair.prompt), return_tensors="pt")
        with torch.no_grad():
            out = model.generate(**ids, max_new_tokens=30, do_sample=False)
        told = tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
        assert pairs.mark(pair, told) == "right"


@pytest.mark.real_model
def test_any_task_is_trained_by_command_and_its_model_votes() -> None:
    done = reason("train", "micro", "sorting", "--length", "6", *TOY, "--out", "out", "--json")
    assert done.code == 0, done.err
    assert Path(done.data["gguf"]).name == "sorting-micro.gguf"
    assert "sorting-6" in Path("out/card.md").read_text()
    model = f"gguf:{done.data['gguf']}"
    asked = reason("estimate", "sorting", "-n", "6", "-m", model, "--samples", "6", "--json")
    assert (asked.code, asked.data["measured"]["samples"]) == (0, 6)
    other = reason("train", "micro", "sorting", "--length", "7", *TOY, "--out", "out")
    assert (other.code, "another problem" in other.err) == (2, True)


@pytest.mark.real_model
def test_a_plug_in_is_trained_like_any_task(tmp_path: Path) -> None:
    package = tmp_path / "package"
    write_package("count-up", package)
    told = package / "reason_count_up-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: reason-count-up\nVersion: 1\n")
    (told / "entry_points.txt").write_text(
        "[reason.tasks]\ncount-up = reason_count_up:CountUpTask\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    env = {"PYTHONPATH": f"{root}:{package}"}
    done = reason("train", "micro", "count-up", *TOY, "--out", "out", "--json", env=env)
    assert done.code == 0, done.err
    assert Path("out/count-up-micro.gguf").is_file()


@pytest.mark.real_model
def test_policy_gradient_end_to_end_and_again() -> None:
    """From the embedded model: rounds, export, reload, a report; a second call goes on from it."""
    arguments = ["train", "micro-rl", "hanoi", "--disks", "3", *SHORT, *FEW, "--out", "out"]
    done = reason(*arguments, "--json")
    assert done.code == 0, done.err
    told = done.data
    assert [found["asked"] for found in told["rounds"]] == [12, 12]
    assert told["before"]["steps"] == told["after"]["steps"] == 7
    assert set(told["after"]) >= {"p", "flag_rate", "k_min", "answers", "tokens", "cost_usd"}
    history = json.loads(Path("out/checkpoints/round-1/training.json").read_text())["history"]
    assert len(history) == 1
    solved = reason("solve", "hanoi", "--disks", "3", "-m", f"gguf:{told['gguf']}", "--json")
    assert (solved.code, solved.data["verified"]) == (0, True)
    shown = reason(*arguments)
    assert shown.code == 0, shown.err
    assert "k_min" in shown.out
    other = reason(*arguments, "--rate", "0.1")
    assert (other.code, "other schedule" in other.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["micro", "nonsense"], "nonsense"),
        (["micro", "sorting"], "--length"),
        (["micro-rl", "sorting", "--length", "5"], "no micro model is bundled"),
        (["micro-rl", "hanoi", "--disks", "3", "--from", "none.gguf"], "none.gguf"),
        (["micro-rl", "hanoi", "--disks", "3", "--from", "."], "cannot load a micro model"),
        (["micro-rl", "hanoi", "--disks", "3", "--batch", "9"], "whole groups"),
        (["micro-rl", "hanoi", "--disks", "3", "--rounds", "900"], "--rounds"),
        (["micro-rl", "hanoi", "--disks", "3", "--target", "1"], "--target"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], words: str) -> None:
    outcome = reason("train", *arguments)
    assert outcome.code == 2
    assert words in outcome.complaint
