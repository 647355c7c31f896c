"""The trained decomposer at work, and the commands that train one, as a user gives them."""

from pathlib import Path

import pytest

from tests.reason.command import reason

PROBLEM = "Mia has 12 pens. She buys 5. She loses 8. She doubles them. How many now?"
NUMBER = ("--kind", "number", "--strategy", "daslam", "--temperature", "0")


@pytest.mark.real_model
def test_the_embedded_decomposer_guides_the_embedded_solver() -> None:
    done = reason("solve", PROBLEM, *NUMBER, "--json")
    assert (done.code, done.data["answer"]) == (0, "18")
    asked = [node["question"] for node in done.data["trace"]["children"][1:]]
    assert asked == [
        "How many after she buys 5?",
        "How many after she loses 8?",
        "How many after she doubles them?",
    ]


def test_questions_beyond_the_embedded_models_are_refused() -> None:
    other = reason("solve", "Why is the sky blue?", "--strategy", "daslam")
    assert other.code == 2
    assert "know chain arithmetic alone" in other.complaint
    recursive = reason("solve", PROBLEM, "--strategy", "recursive")
    assert "direct, vote, daslam, not recursive" in recursive.complaint


@pytest.mark.real_model
def test_each_stage_of_training_adds_to_accuracy() -> None:
    done = reason("eval", "daslam", "--limit", "150", "--run-dir", "e", "--json")
    assert done.code == 0, done.err
    rows = {row["strategy"]: row for row in done.data["strategies"]}
    assert rows["alone"]["interval"][1] < rows["sft+rl"]["interval"][0]
    assert rows["alone"]["right"] < rows["sft"]["right"] < rows["sft+rl"]["right"]
    assert rows["second-alone"]["right"] < rows["second-sft+rl"]["right"]
    assert "How many after" in Path("e/report.html").read_text()
    again = reason("eval", "daslam", "--limit", "150", "--run-dir", "e", "--json")
    assert again.data["strategies"] == done.data["strategies"]


@pytest.mark.train
@pytest.mark.real_model
def test_a_decomposer_is_made_by_four_commands() -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    made = reason("train", "data", "chains", "--count", "64", "--out", "rows.jsonl", "--json")
    assert (made.code, made.data["rows"]) == (0, 64), made.err
    more = reason("train", "data", "chains", "--count", "70", "--out", "rows.jsonl", "--json")
    assert more.data["rows"] == 70
    sft = ("train", "sft", "--data", "rows.jsonl", "--out", "sft", "--steps", "2", "--batch", "4")
    assert reason(*sft, "--json").data == {"model": "sft/model"}
    rl = ("train", "rl", "--data", "rows.jsonl", "--out", "rl", "--model", "sft/model")
    small = ("--steps", "2", "--batch", "4", "--generations", "2", "--max-tokens", "8")
    done = reason(*rl, *small, "--solver-tokens", "8", "--json")
    assert done.code == 0, done.err
    told = reason("train", "export", "rl", "--out", "out", "--name", "mine", "--json").data
    assert told["written"] == ["merged", "mine.gguf", "card.md"]
    assert "| solver | " in Path("out/card.md").read_text()
    mine = reason("solve", PROBLEM, *NUMBER, "--decomposer", "gguf:out/mine.gguf", "--json")
    assert mine.code in (0, 5), mine.err


@pytest.mark.train
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("data nonsense --out r.jsonl", "unknown source 'nonsense'"),
        ("data questions:none.jsonl --out r.jsonl", "cannot read none.jsonl"),
        ("data distill:q.jsonl --out r.jsonl", "must be given together"),
        ("sft --data none.jsonl --out o", "there is no data file none.jsonl"),
        ("rl --data r.jsonl --out o --model m --batch 6 --generations 4", "whole groups"),
        ("rl --data none.jsonl --out o --model m", "there is no data file"),
        ("export nowhere --out o", "holds no finished training"),
    ],
)
def test_training_commands_refuse_in_one_line(command: str, words: str) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    refused = reason("train", *command.split())
    assert refused.code == 2
    assert words in refused.complaint


@pytest.mark.train
@pytest.mark.parametrize("command", ["nano --run-dir file/in", "micro hanoi --steps 1 --out file"])
def test_a_file_in_the_place_of_a_folder_is_one_line(command: str) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    Path("file").touch()
    refused = reason("train", *command.split())
    assert refused.code == 4
    assert f"cannot make the folder {command.split()[-1]}" in refused.complaint


@pytest.mark.train
def test_an_unreachable_solver_is_one_line_and_keeps_the_rows() -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    dead = ("--solver", "http://127.0.0.1:9/v1#none", "--count", "4", "--out", "rows.jsonl")
    refused = reason("train", "data", "chains", *dead)
    assert refused.code == 4
    assert "127.0.0.1:9" in refused.complaint
