"""The tasks on the command line: solved, wrong, stopped, estimated, and asked of a chat server."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import reason
from reason.commands.flags import FILE_ONLY, run_flags
from reason.settings import RunOptions
from tests.engines.fault_server import serving
from tests.reason.command import reason as command

MODEL = "sim:error=0.05,flag=0.05"
PROBLEMS = {
    "multiplication": (["--a", "98765", "--b", "432"], "42666480"),
    "sorting": (["--numbers", "-5,30,9,9,-12,0"], "-12,-5,0,9,9,30"),
    "arithmetic": (["--start", "-7", "--operations", "+50,*3,-1000,*2"], "-1742"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_task_is_solved_verified_and_says_its_result(name: str) -> None:
    arguments, result = PROBLEMS[name]
    done = command("solve", name, *arguments, "-m", MODEL, "--json")
    assert (done.code, done.data["status"]) == (0, "solved")
    assert done.data["result"] == result
    checked = command("runs", "verify", done.data["run_id"], "--json")
    assert (checked.code, checked.data["steps"]) == (0, done.data["steps_total"])


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_wrong_run_ends_1_and_says_where(name: str) -> None:
    arguments, _ = PROBLEMS[name]
    model = ["-m", "sim:error=0.4,seed=1", "--k", "1"]
    done = command("solve", name, *arguments, *model, "--json")
    assert (done.code, done.data["status"], done.data["verified"]) == (1, "wrong", False)
    assert re.search(r"step \d+: ", done.err)
    checked = command("runs", "verify", done.data["run_id"], "--json")
    assert (checked.code, checked.data["ok"]) == (1, False)
    assert f"step {checked.data['first_error']}:" in done.err


def test_a_drawn_problem_stops_at_its_budget_and_is_resumed() -> None:
    drawn = ["solve", "multiplication", "--digits", "6", "--seed", "4", "-m", MODEL]
    first = command(*drawn, "--run-dir", "run", "--budget-tokens", "2000", "--json")
    assert (first.code, first.data["result"]) == (3, "")
    shown = command("runs", "show", "run", "--json").data
    a, b = shown["task"]["a"], shown["task"]["b"]
    assert len(str(a)) == len(str(b)) == 6
    done = command("runs", "resume", "run", "--budget-tokens", "999999", "--json")
    assert (done.code, done.data["result"]) == (0, str(a * b))
    other = command("solve", "multiplication", "--digits", "6", "-m", MODEL, "--run-dir", "run")
    assert (other.code, "another problem" in other.complaint) == (2, True)


def test_a_task_is_estimated() -> None:
    model = ["-m", "sim:error=0.2,flag=0.1", "--samples", "400", "--sample-seed", "3"]
    data = command("estimate", "sorting", "-n", "20", "--seed", "2", *model, "--json").data
    assert data["steps"] == 190
    assert data["measured"]["p"]["low"] < 0.8 < data["measured"]["p"]["high"]
    assert data["measured"]["v"]["low"] < 0.9 < data["measured"]["v"]["high"]


def test_an_evaluation_of_any_task_writes_its_report() -> None:
    done = command("eval", "arithmetic", "-n", "40", "-m", MODEL, "--k", "4", "--json")
    assert done.code == 0
    data = json.loads((Path(done.data["run_dir"]) / "report.json").read_text())
    assert data["steps"] == 40


def test_help_shows_the_problem_and_the_run() -> None:
    shown = command("solve", "multiplication", "--help", env={"COLUMNS": "160"}).out
    words = shown.split()
    assert {"--a", "--by-digits", "--digits", "--model", "--dry-run", "--variants"} <= set(words)
    assert "--disks" not in words
    assert "default: (ahead-by-k)" in shown


def test_every_run_option_is_a_flag_and_explains_itself() -> None:
    flags = {flag.name: flag for flag in run_flags()}
    assert set(flags) == set(RunOptions.model_fields) - FILE_ONLY
    for flag in flags.values():
        assert flag.annotation.__metadata__[0].help, flag.name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["multiplication", "-n", "3"], "no micro model is bundled for multiplication"),
        (["sorting", "--numbers", "5,x", "-m", "sim"], "'x' is no whole number"),
        (["arithmetic", "-n", "9", "-m", "sim", "--style", "compact"], "only paper"),
        (["arithmetic", "-n", "9", "-m", "sim", "--variants", "3"], "arithmetic-9 has 2"),
    ],
)
def test_bad_usage_is_one_line(arguments: list[str], words: str) -> None:
    done = command("solve", *arguments)
    assert done.code == 2
    assert words in done.complaint
    assert not Path("reason-runs").exists()


def pupil(text: str) -> str:
    """Answers like a chatty person who can do it: reads the question alone, knows no task."""
    if pair := re.search(r"\[(-?\d+), (-?\d+)\]", text):
        left, right = int(pair[1]), int(pair[2])
        word, low, high = ("swap", right, left) if left > right else ("keep", left, right)
        return f"Is {left} larger than {right}?\naction = {word}\npair = [{low}, {high}]\n"
    if asked := re.search(r"value: (-?\d+)\nOperation: (\D+) (\d+)", text):
        value, number = int(asked[1]), int(asked[3])
        after = {"add": value + number, "subtract": value - number}
        return f"Easy.\n\nvalue = {after.get(asked[2], value * number)}"
    formula = text.rpartition(": ")[2]
    tens, units = divmod(eval(formula), 10)
    return f"{formula} = {tens * 10 + units}\ndigit = {units}\ncarry = {tens}"


@pytest.mark.parametrize(
    ("problem", "result"),
    [
        ({"name": "multiplication", "a": 98765, "b": 432}, "42666480"),
        ({"name": "sorting", "numbers": "-5,30,9,9,-12,0"}, "-12,-5,0,9,9,30"),
        ({"name": "arithmetic", "start": -7, "operations": "+50,*3,-1000,*2"}, "-1742"),
    ],
)
async def test_the_prompt_alone_is_enough_to_answer(
    problem: dict[str, Any], result: str, tmp_path: Path
) -> None:
    async with serving(pupil) as server:
        summary = await reason.solve(problem, tmp_path / "run", model=[f"{server.url}#m"])
        system = server.bodies[0]["messages"][0]
    assert (summary.status, summary.result) == ("solved", result)
    assert system["role"] == "system"
    assert "exactly" in system["content"]
