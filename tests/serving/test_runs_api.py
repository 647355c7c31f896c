"""The runs API over real HTTP, on real runs: finished, under way, stopped, broken."""

import json
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runs.store import open_run
from tasks.base import Record
from tasks.catalog import build_task
from tests.serving.live import Live, serve

SLOW = {"model": ["sim:latency_ms=25"]}


def rows(live: Live, run: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(live.runs / run / "journal.sqlite")) as db:
        return db.execute("SELECT * FROM steps ORDER BY step").fetchall()


def test_all_that_lies_among_the_runs_is_listed(live: Live) -> None:
    page = live.get("/api/runs?count=200")
    items = {item["id"]: item for item in page["runs"]}
    assert page["total"] == len(page["runs"]) == len(items)
    assert items["done"]["status"] == "solved"
    assert items["lost"]["status"] == "wrong"
    assert items["short"]["status"] == "budget"
    assert items["short"]["actions"] == ["resume"]
    for broken in ("torn", "scribbled"):
        assert items[broken]["status"] == "broken"
        assert broken in items[broken]["message"]
    assert items["products"]["kind"] == "questions"


def test_pages_of_the_list_come_to_the_list(live: Live) -> None:
    every = [item["id"] for item in live.get("/api/runs?count=200")["runs"]]
    pages = [live.get(f"/api/runs?first={at}&count=2")["runs"] for at in range(0, len(every), 2)]
    assert [item["id"] for page in pages for item in page] == every


def test_a_run_is_shown_as_its_summary_says(live: Live) -> None:
    shown, summary = live.get("/api/runs/done"), open_run(live.runs / "done").summary()
    assert summary is not None
    item = shown["item"]
    for name in ("steps", "steps_total", "votes", "flagged", "k", "hash", "cost_usd", "status"):
        assert item[name] == summary[name]
    assert item["prompt_tokens"] == summary["tokens"]["prompt"]
    assert item["rate"] == pytest.approx(item["steps"] / item["seconds"])
    assert shown["config"]["task"] == {"name": "hanoi", "disks": 7, "start": 0, "goal": 2}
    assert shown["usage"][0]["samples"] >= item["votes"]


def test_pages_of_steps_come_to_the_journal(live: Live) -> None:
    kept = rows(live, "done")
    pages = [live.get(f"/api/runs/done/steps?first={at}&count=50") for at in (1, 51, 101, 151)]
    assert [len(page) for page in pages] == [50, 50, 27, 0]
    found = [step for page in pages for step in page]
    assert [(s["step"], s["action"], s["state"], s["tally"]) for s in found] == [
        (row[0], row[1], row[2], row[7]) for row in kept
    ]


def test_raw_answers_are_those_that_were_counted(live: Live) -> None:
    (hard, *_) = live.get("/api/runs/done/hardest?count=1")
    answers = live.get(f"/api/runs/done/steps/{hard['step']}/samples")
    assert len(answers) == hard["votes"] + hard["flagged"] + hard["surplus"]
    assert sum(bool(answer["flag"]) for answer in answers) == hard["flagged"]
    most = max(row[4] + row[5] for row in rows(live, "done"))
    assert hard["votes"] + hard["flagged"] == most


@pytest.mark.parametrize("buckets", [1, 7, 127, 1000])
def test_stretches_cover_the_run_and_add_up(live: Live, buckets: int) -> None:
    parts = live.get(f"/api/runs/done/series?buckets={buckets}")
    assert len(parts) <= buckets
    assert parts[0]["first"] == 1
    assert parts[-1]["last"] == 127
    assert all(a["last"] + 1 == b["first"] for a, b in pairwise(parts))
    kept = rows(live, "done")
    assert sum(part["votes"] for part in parts) == sum(row[4] for row in kept)
    assert sum(part["flagged"] for part in parts) == sum(row[5] for row in kept)
    assert max(part["most"] for part in parts) == max(row[4] + row[5] for row in kept)


def test_pegs_are_the_journals_states(live: Live) -> None:
    task = build_task({"name": "hanoi", "disks": 7}, "compact")
    frames = live.get("/api/runs/done/pegs?first=0&count=256")
    assert frames[0]["pegs"] == [[7, 6, 5, 4, 3, 2, 1], [], []]
    for frame, row in zip(frames[1:], rows(live, "done"), strict=True):
        pegs = task.restore(Record(row[1], row[2])).pegs
        assert (frame["step"], frame["pegs"]) == (row[0], [list(peg) for peg in pegs])


def test_two_journals_part_where_they_first_differ(live: Live) -> None:
    left, right = rows(live, "done"), rows(live, "lost")
    first = next(a[0] for a, b in zip(left, right, strict=False) if a[1:3] != b[1:3])
    parting = live.get("/api/runs/done/parting/lost")
    assert (parting["parts_at"], parting["common"]) == (first, first - 1)
    assert parting["left"]["state"] == left[first - 1][2]
    assert parting["right"]["state"] == right[first - 1][2]
    same = live.get("/api/runs/done/parting/done")
    assert (same["parts_at"], same["common"]) == (None, 127)
    assert not live.get("/api/runs/done/parting/short")["same_problem"]


def test_questions_are_listed_and_their_transcripts_read(live: Live) -> None:
    item = live.get("/api/runs/products")["item"]
    assert {one["name"]: one["answered"] for one in item["strategies"]} == {
        "vote": 3,
        "recursive": 3,
    }
    assert all(0 <= one["accuracy"] <= 1 for one in item["strategies"])
    page = live.get("/api/runs/products/questions/recursive?first=2&count=1")
    assert page["total"] == 3
    (row,) = page["rows"]
    found = live.get("/api/runs/products/questions/recursive/2")
    assert found["question"] == row["question"]
    lines = (live.runs / "products" / "recursive.jsonl").read_text().splitlines()
    assert found["trace"] == json.loads(lines[1])["trace"]


def test_a_batch_among_the_runs_is_read_while_it_is_written(tmp_path: Path) -> None:
    rows = [{"id": str(at), "answer": str(at), "trace": {"question": f"{at}?"}} for at in range(3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "answers.jsonl").write_text(text[:-5])
    with serve(tmp_path) as live:
        (item,) = live.get("/api/runs")["runs"]
        assert item["strategies"] == [
            {"name": "answers", "answered": 2, "accuracy": None, "interval": None}
        ]
        (tmp_path / "answers.jsonl").write_text(text)
        page = live.get("/api/runs/answers.jsonl/questions/answers")
        assert [row["question"] for row in page["rows"]] == ["0?", "1?", "2?"]


def read_events(live: Live, run: str) -> list[tuple[str, dict[str, Any]]]:
    response = live.open("GET", f"/api/runs/{run}/events")
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    events = []
    for block in response.read().decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        events.append((fields["event"], json.loads(fields["data"])))
    return events


def test_a_run_is_made_watched_cancelled_and_resumed(tmp_path: Path) -> None:
    with serve(tmp_path / "runs") as live:
        new = {"task": {"name": "hanoi", "disks": 6}, "options": SLOW, "name": "mine"}
        status, made = live.ask("POST", "/api/runs", new)
        assert (status, made["id"], made["status"]) == (201, "mine", "running")
        assert made["actions"] == ["cancel"]
        live.wait_for("mine", lambda item: item["steps"] >= 3)
        assert live.ask("POST", "/api/runs/mine/resume")[0] == 409
        status, stopping = live.ask("POST", "/api/runs/mine/cancel")
        assert (status, stopping["status"]) == (202, "stopping")
        stopped = live.wait("mine", "interrupted")
        assert 3 <= stopped["steps"] < 63
        assert stopped["actions"] == ["resume"]
        assert read_events(live, "mine")[-1][0] == "summary"
        status, _ = live.ask("POST", "/api/runs/mine/resume")
        assert status == 202
        events = read_events(live, "mine")
        assert [name for name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
        assert len(events) > 1
        name, last = events[-1]
        assert (name, last["status"], last["steps"]) == ("summary", "solved", 63)
        assert live.ask("POST", "/api/runs/mine/resume")[0] == 409
        assert live.ask("POST", "/api/runs/mine/cancel")[0] == 409


def test_the_servers_end_stops_its_runs_resumably(tmp_path: Path) -> None:
    with serve(tmp_path) as live:
        new = {"task": {"name": "hanoi", "disks": 10}, "options": SLOW, "name": "mine"}
        assert live.ask("POST", "/api/runs", new)[0] == 201
        live.wait_for("mine", lambda item: item["steps"] > 0)
    assert open_run(tmp_path / "mine").status() == "interrupted"


def test_a_spent_budget_is_raised_on_resuming(live: Live) -> None:
    assert live.ask("POST", "/api/runs/short/resume", {"budget_tokens": 0})[0] == 422
    status, _ = live.ask("POST", "/api/runs/short/resume", {"budget_tokens": 10**6})
    assert status == 202
    assert live.wait("short", "solved")["steps"] == 63


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with serve(tmp_path) as live:
        new = {"task": {"name": "hanoi", "disks": 6}, "options": SLOW, "name": "mine"}
        assert live.ask("POST", "/api/runs", new)[0] == 201
        live.ask("POST", "/api/runs/mine/cancel")
        live.wait("mine", "interrupted", "unfinished")
        (tmp_path / "mine" / "journal.sqlite").unlink(missing_ok=True)
        (tmp_path / "mine" / "journal.sqlite").mkdir()
        assert live.ask("POST", "/api/runs/mine/resume")[0] == 202
        failed = live.wait_for("mine", lambda item: item["status"] != "running")
        assert "journal.sqlite" in failed["message"]


def test_a_run_that_another_process_writes_is_left_alone(live: Live) -> None:
    run = open_run(live.runs / "lost")
    with run.lease():
        item = live.get("/api/runs/lost")["item"]
        assert (item["status"], item["actions"]) == ("running", [])
        assert live.ask("POST", "/api/runs/lost/resume")[0] == 409
        assert live.ask("POST", "/api/runs/lost/cancel")[0] == 409


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ({"task": {"name": "hanoi", "disks": 99}}, "--disks"),
        ({"task": {"name": "hanoi", "disks": 2.5}}, "hanoi"),
        ({"task": {"name": "hanoi", "disks": 3, "start": 0.0}}, "described"),
        ({"task": {"name": "chess"}}, "unknown task"),
        ({"task": {"name": "hanoi", "disks": 3}, "options": {"k": 0}}, "k"),
        ({"task": {"name": "hanoi", "disks": 3}, "options": {"kk": 1}}, "kk"),
        ({"task": {"name": "hanoi", "disks": 3}, "options": {"model": ["gguf:no"]}}, "no"),
        ({"task": {"name": "hanoi", "disks": 3}, "options": {"k": 9, "max_votes": 3}}, "max-votes"),
        ({"task": {"name": "hanoi", "disks": 3}, "name": "../up"}, "name"),
        ({"task": {"name": "hanoi", "disks": 3}, "name": "done"}, "is a run already"),
        ({"disks": 3}, "task"),
        ({"task": {"name": "hanoi", "disks": float("nan")}}, "JSON"),
        ({"task": {"name": "hanoi", "disks": 10**400}}, "--disks"),
        ({"task": {"name": "\ud800"}}, "JSON"),
        ({"task": {"name": "hanoi", "disks": 3}, "options": {"model": ["gguf:\0"]}}, "null byte"),
        ({"task": {"name": "hanoi", "disks": 3, "start": []}}, "hanoi"),
    ],
)
def test_a_bad_description_makes_nothing(live: Live, new: dict[str, Any], told: str) -> None:
    before = sorted(path.name for path in live.runs.iterdir())
    status, data = live.ask("POST", "/api/runs", new)
    assert status == 422
    assert told in json.dumps(data["detail"])
    assert sorted(path.name for path in live.runs.iterdir()) == before


@pytest.mark.parametrize(
    "path",
    [
        *("/nope", "/..", "/%2e%2e", "/..%2fruns", "/.hidden", "/%00", "/done%2f..", "/a%5cb"),
        *("/done/parting/..%2fdone", "/done/parting/%2e%2e", "/products/questions/none"),
        *("/products/questions/..%2fvote", "/products/questions/vote/99", "/products/steps"),
        *("/nope/events", "/nope/steps", "/done/questions/vote"),
    ],
)
def test_what_is_not_there_is_refused(live: Live, path: str) -> None:
    status, data = live.ask("GET", f"/api/runs{path}")
    assert status in (404, 409, 422)
    assert "Traceback" not in json.dumps(data)


@pytest.mark.parametrize(
    "path",
    [
        *("/done/steps?count=501", "/done/steps?first=0", "/done/pegs?count=257", "?count=201"),
        *("/done/series?buckets=1001", "/done/hardest?count=101", "?first=-1"),
        *(f"/done/steps?first={2**64}", "/done/steps/x/samples", "/done/pegs?first=-1"),
    ],
)
def test_no_page_is_without_bounds(live: Live, path: str) -> None:
    assert live.ask("GET", f"/api/runs{path}")[0] == 422


@pytest.mark.parametrize("path", ["steps", "hardest", "series", "pegs"])
def test_a_broken_run_is_told_in_one_line(live: Live, path: str) -> None:
    for run in ("torn", "scribbled"):
        status, data = live.ask("GET", f"/api/runs/{run}/{path}")
        assert status == 409
        assert "\n" not in data["detail"]


@pytest.mark.parametrize(
    "other",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://["},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_sites_page_changes_nothing(live: Live, other: dict[str, str]) -> None:
    new = {"task": {"name": "hanoi", "disks": 3}}
    assert live.ask("POST", "/api/runs", new, **other)[0] == 403
    assert live.ask("POST", "/api/runs/lost/resume", None, **other)[0] == 403
    assert live.ask("POST", "/api/runs/nope/cancel", None, Origin=live.url)[0] == 404


def test_there_is_a_bound_on_runs_under_way(tmp_path: Path) -> None:
    with serve(tmp_path) as live:
        live.service.workers._most = 1
        new = {"task": {"name": "hanoi", "disks": 10}, "options": SLOW}
        assert live.ask("POST", "/api/runs", new)[0] == 201
        status, data = live.ask("POST", "/api/runs", new)
        assert status == 409
        assert "cancel one" in data["detail"]
        assert live.get("/api/runs")["total"] == 1
