"""``reason solve QUESTION``, batches and ``reason eval qa`` as a user runs them."""

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from runs.lines import read_lines
from tests.engines.fault_server import serving
from tests.reason.command import COMMAND, reason, start


def questions(path: Path, count: int, digits: int = 2) -> Path:
    low = 10 ** (digits - 1)
    rows = [
        {
            "question": f"What is {low + at} * {low + 2 * at}?",
            "answer": str((low + at) * (low + 2 * at)),
        }
        for at in range(count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_question_is_answered() -> None:
    asked = ["solve", "What is 123456 * 654321?", "-m", "sim:error=0.05", "--strategy", "recursive"]
    done = reason(*asked, "--k", "4", "--kind", "number", "--json")
    assert done.code == 0
    assert done.data["answer"] == str(123456 * 654321)
    assert done.data["trace"]["kind"] == "composition"
    assert "answer" in reason(*asked, "--k", "4").out


def test_a_question_may_come_from_a_file() -> None:
    Path("q.txt").write_text("What is 12 * 12?\n")
    assert reason("solve", "--file", "q.txt", "-m", "sim", "--json").data["answer"] == "144"


def test_no_answer_is_said_by_the_exit_code() -> None:
    done = reason("solve", "Why?", "-m", "sim", "--strategy", "vote", "--json")
    assert done.code == 5
    assert done.data["answer"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Why?"], "name a general model"),
        (["Why?", "-m", "sim", "--strategy", "magic"], "--strategy must be one of"),
        (["Why?", "-m", "sim", "--kind", "poem"], "--kind must be one of"),
        (["Why?", "-m", "sim", "--prompts", "nowhere"], "is not a directory"),
        (["  ", "-m", "sim"], "the question is empty"),
        (["--batch", "none.jsonl", "-m", "sim"], "needs --out"),
        (["--batch", "none.jsonl", "--out", "o.jsonl", "-m", "sim"], "cannot read"),
        (["--file", "none.txt", "-m", "sim"], "cannot read the question"),
        (["-m", "sim"], "give a question"),
    ],
)
def test_bad_requests_are_one_line(arguments: list[str], words: str) -> None:
    outcome = reason("solve", *arguments)
    assert outcome.code == 2
    assert words in outcome.complaint


def test_a_batch_leaves_files_alone_that_hold_no_answers() -> None:
    path = questions(Path("q.jsonl"), 2)
    Path("rows.jsonl").write_text('{"id": 7, "text": "mine"}\n')
    for out, words in (
        ("q.jsonl", "is the file of questions"),
        ("rows.jsonl", "line 1 is not an answer"),
        ("/dev/stdout", "no regular file"),
    ):
        before = path.read_bytes(), Path("rows.jsonl").read_bytes()
        refused = reason("solve", "--batch", "q.jsonl", "--out", out, "-m", "sim")
        assert refused.code == 2
        assert words in refused.complaint
        assert before == (path.read_bytes(), Path("rows.jsonl").read_bytes())


def test_a_place_that_cannot_be_is_one_line() -> None:
    questions(Path("q.jsonl"), 2)
    for place, code in (("q.jsonl", 4), ("/proc/nope", 4), ("x" * 300, 2)):
        command = ["eval", "qa", "--data", "q.jsonl", "--strategy", "direct", "-m", "sim"]
        refused = reason(*command, "--run-dir", place)
        assert refused.code == code
        assert refused.complaint.startswith("reason: error: cannot ")
    for code, command in (
        (4, ["solve", "hanoi", "-n", "2", "-m", "sim", "--run-dir", "x" * 300]),
        (4, ["solve", "--batch", "q.jsonl", "-m", "sim", "--out", "x" * 300]),
        (2, ["runs", "show", "x" * 300]),
    ):
        refused = reason(*command)
        assert refused.code == code
        assert refused.complaint


def test_a_batch_killed_again_and_again_answers_every_question_once() -> None:
    path, out = questions(Path("q.jsonl"), 40), Path("out.jsonl")
    command = ["solve", "--batch", str(path), "--out", str(out), "--strategy", "vote", "--k", "2"]
    command += ["-m", "sim:error=0.1,latency_ms=40", "--parallel", "2", "--kind", "number"]
    kills = 0
    while True:
        child = start(command)
        deadline, before = time.monotonic() + 60, len(read_lines(out))
        while child.poll() is None and kills < 4 and time.monotonic() < deadline:
            if len(read_lines(out)) > before + 3:
                child.kill()
            time.sleep(0.02)
        child.communicate()
        assert child.returncode in (0, -signal.SIGKILL)
        if child.returncode == 0:
            break
        kills += 1
    assert kills == 4
    rows = read_lines(out)
    assert sorted(row["id"] for row in rows) == sorted(f"q-{at}" for at in range(1, 41))
    assert reason(*command, "--json").data["answered"] == 40


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_batch_says_so_and_goes_on(number: signal.Signals) -> None:
    path, out = questions(Path("q.jsonl"), 400), Path("out.jsonl")
    command = ["solve", "--batch", str(path), "--out", str(out), "--strategy", "vote"]
    command += ["-m", "sim:latency_ms=100", "--parallel", "1", "--json", "--quiet"]
    child = start(command)
    deadline = time.monotonic() + 60
    while len(read_lines(out)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(number)
    told, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert json.loads(told) == {"error": "interrupted", "exit_code": 130}
    assert err == "reason: error: interrupted\n"
    assert 2 <= len(read_lines(out)) < 400


def test_no_question_on_a_closed_stdin_is_one_line() -> None:
    command = f"{shlex.join([*COMMAND, 'solve', '-', '-m', 'sim'])} <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "reason: error: the question is empty\n")


def test_an_evaluation_scores_compares_and_goes_on() -> None:
    path = questions(Path("q.jsonl"), 12, digits=6)
    command = [
        "eval",
        "qa",
        "--data",
        str(path),
        "-m",
        "sim:error=0.05",
        "--k",
        "4",
        "--run-dir",
        "e",
    ]
    command += ["--strategy", "direct", "--strategy", "recursive"]
    first = reason(*command, "--limit", "5", "--json").data
    assert [row["asked"] for row in first["strategies"]] == [5, 5]
    done = reason(*command, "--json").data
    direct, recursive = done["strategies"]
    assert (direct["right"], recursive["right"]) == (0, 12)
    (pair,) = done["comparisons"]
    assert pair["p"] == pytest.approx(2 / 2**12)
    page = Path("e/report.html").read_text()
    assert "What is 100000 * 100000?" in page
    assert "recursive" in reason(*command).out
    assert len(read_lines(Path("e/recursive.jsonl"))) == 12
    outcome = reason(*[word.replace("0.05", "0.06") for word in command])
    assert outcome.code == 2
    assert "name another --run-dir" in outcome.complaint


def test_an_evaluation_takes_no_answers_to_other_questions() -> None:
    command = ["eval", "qa", "--strategy", "vote", "-m", "sim", "--run-dir", "e", "--data"]
    for name, digits in (("a", 2), ("b", 1)):
        Path(name).mkdir()
        questions(Path(name, "set.jsonl"), 3, digits)
    assert reason(*command, "a/set.jsonl", "--limit", "2").code == 0
    before = Path("e/vote.jsonl").read_text(), Path("e/eval.json").read_text()
    other = reason(*command, "b/set.jsonl")
    assert other.code == 2
    assert "another question under the id 'set-1': name another --run-dir" in other.complaint
    assert (Path("e/vote.jsonl").read_text(), Path("e/eval.json").read_text()) == before
    assert reason(*command, "a/set.jsonl", "--json").data["strategies"][0]["asked"] == 3


def test_an_evaluation_needs_right_answers() -> None:
    Path("q.jsonl").write_text('{"question": "Why?"}')
    outcome = reason("eval", "qa", "--data", "q.jsonl", "--strategy", "vote", "-m", "sim")
    assert "no right answers" in outcome.complaint


async def test_a_server_of_any_kind_is_asked_by_its_spec() -> None:
    import asyncio

    def say(prompt: object) -> str:
        return "1. What?" if "first attempt" in str(prompt) else "Hm.\nAnswer: 7"

    async with serving(say) as server:
        command = ["solve", "What is 3 + 4?", "-m", f"{server.url}#any", "--strategy", "daslam"]
        done = await asyncio.to_thread(reason, *command, "--json")
        assert done.code == 0, done.err
        assert done.data["answer"] == "7"


@pytest.mark.parametrize("said", ["[a,b]", "[/x]", ":100:"])
async def test_an_answer_is_shown_as_it_is(said: str) -> None:
    import asyncio

    async with serving(lambda _: f"Hm.\nAnswer: {said}") as server:
        command = ["solve", "Which interval?", "-m", f"{server.url}#any", "--kind", "text"]
        done = await asyncio.to_thread(reason, *command, "--strategy", "vote")
    assert done.code == 0, done.err
    assert f"answer  {said}" in done.out
    assert f"{said}: " in done.out


def test_a_batch_stops_at_its_budget_and_goes_on() -> None:
    path = questions(Path("q.jsonl"), 30)
    command = ["solve", "--batch", str(path), "--out", "out.jsonl", "-m", "sim", "--parallel", "1"]
    stopped = reason(*command, "--budget-tokens", "500", "--quiet")
    assert stopped.code == 3
    assert "token budget reached" in stopped.err
    done = len(read_lines(Path("out.jsonl")))
    assert 0 < done < 30
    assert reason(*command, "--quiet").code == 0
    assert len(read_lines(Path("out.jsonl"))) == 30
    unknown = reason("solve", "Why?", "-m", "http://127.0.0.1:9/v1#m", "--budget-usd", "1")
    assert "price of a model is unknown" in unknown.complaint
