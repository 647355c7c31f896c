import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reason.errors import StorageError, UsageError
from runs.journal import SampleRow
from runs.store import BrokenRun, RunDir, create, find, list_runs, new_id, open_run
from tests.postgres import PostgresServer
from tests.runs.material import GENESIS, row, write
from tests.runs.places import Places

CONFIG = {"task": {"name": "hanoi", "disks": 10}, "options": {"k": 3, "note": "Türme"}}
NOBODY = 65534


def test_a_run_is_found_again_by_all_its_names(tmp_path: Path) -> None:
    run = create(tmp_path, None, CONFIG, "hanoi-10")
    for name in (run.run_id, run.run_id[:12], str(run.path)):
        assert find(tmp_path, name).config == CONFIG
    assert open_run(run.path).created == run.created
    assert (run.status(), run.summary()) == ("unfinished", None)


def test_an_id_says_what_and_when() -> None:
    assert new_id("hanoi-10").startswith("hanoi-10-20")
    assert len(new_id("hanoi-10")) == len("hanoi-10-20261123-174501-k3f9")
    assert new_id("What is 6 x 7? ../etc").startswith("what-is-6-x-7-etc-20")
    assert new_id("?").startswith("run-20")
    assert len({new_id("a") for _ in range(50)}) > 45


def test_names_that_fit_no_run_or_several_are_refused(tmp_path: Path) -> None:
    create(tmp_path, "hanoi-a", CONFIG, "hanoi")
    create(tmp_path, "hanoi-b", CONFIG, "hanoi")
    assert find(tmp_path, "hanoi-a").run_id == "hanoi-a"
    for name, text in (("hanoi", "start of 2 runs"), ("x", "no run 'x'"), ("", "start of 2")):
        with pytest.raises(UsageError, match=text):
            find(tmp_path, name)
    with pytest.raises(UsageError, match="no run"):
        find(tmp_path / "nowhere", "x")


def test_an_id_goes_before_a_directory_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path / "runs", "tasks", CONFIG, "hanoi")
    (tmp_path / "tasks").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find(tmp_path / "runs", "tasks").run_id == "tasks"


def test_nothing_is_clobbered(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter-1.txt").write_text("years of work", encoding="utf-8")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    create(tmp_path, "run", CONFIG, "hanoi")
    for name, text in (
        ("thesis", "not empty and not a run"),
        ("file", "file"),
        ("file/below", "file"),
        ("run", "a run already"),
    ):
        with pytest.raises(UsageError, match=text):
            create(tmp_path, name, CONFIG, "hanoi")
    (tmp_path / "empty").mkdir()
    assert create(tmp_path, "empty", CONFIG, "hanoi").run_id == "empty"


BROKEN = {
    "no-file": None,
    "not-json": "{",
    "not-utf8": b"\xff\xfe",
    "too-deep": "[" * 100_000,
    "a-list": "[]",
    "no-keys": "{}",
    "no-config": json.dumps({"format": 1, "run_id": "x", "created": "now"}),
    "bad-types": json.dumps({"format": 1, "run_id": 7, "created": None, "config": "x"}),
    "no-journal": json.dumps(
        {"format": 1, "run_id": "x", "created": "now", "config": {}, "journal": {"url": "u"}}
    ),
    "newer": json.dumps({"format": 2, "run_id": "x", "created": "now", "config": {}}),
}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    for name, content in BROKEN.items():
        (tmp_path / name).mkdir()
        if content is not None:
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / name / "run.json").write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_run_json_is_refused_by_name(broken: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"run\.json") as caught:
        open_run(broken / name)
    assert "\n" not in str(caught.value)


def test_broken_runs_are_listed_beside_the_good(broken: Path) -> None:
    create(broken, "good", CONFIG, "hanoi").write_summary({"status": "solved"})
    (broken / "stray-file").write_text("x", encoding="utf-8")
    found = list_runs(broken)
    assert {run.path.name for run in found} == {"good", *BROKEN}
    assert [run.run_id for run in found if not isinstance(run, BrokenRun)] == ["good"]
    assert found[0].status() == "solved"
    assert all(run.status().startswith("broken: ") for run in found[1:])
    assert all(run.summary() is None for run in found[1:])
    assert list_runs(broken / "nowhere") == []


def test_config_and_summary_are_replaced_whole(tmp_path: Path) -> None:
    run = create(tmp_path, "run", CONFIG, "hanoi")
    run.write_config({"task": "other"})
    assert open_run(run.path).config == {"task": "other"}
    run.write_summary({"status": "budget", "steps": 4})
    assert (run.status(), run.summary()) == ("budget", {"status": "budget", "steps": 4})
    (run.path / "summary.json").write_text("{torn", encoding="utf-8")
    assert (run.status(), run.summary()) == ("unfinished", None)
    assert sorted(file.name for file in run.path.iterdir()) == ["run.json", "summary.json"]


def test_a_failed_write_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create(tmp_path, "run", CONFIG, "hanoi")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        run.write_config({})
    assert open_run(run.path).config == CONFIG
    assert [file.name for file in run.path.iterdir()] == ["run.json"]


def test_prune_keeps_the_steps(tmp_path: Path, places: Places) -> None:
    run = create(tmp_path, "run", CONFIG, "hanoi", places.url)
    assert run.prune() <= 0
    with run.journal(GENESIS) as journal:
        journal.append(
            [row(1)], [], 0, [SampleRow(1, 0, secrets.token_hex(30_000), "stop", "", "m")]
        )
        head = journal.head()
    run.checkpoints_path.write_bytes(b"x" * 1000)
    assert run.prune() > 40_000
    with run.journal(GENESIS, readonly=True) as journal:
        assert journal.head() == head
    assert not run.checkpoints_path.exists()


@pytest.mark.postgres
def test_runs_of_one_name_have_journals_of_their_own_on_a_server(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    one, other = (create(tmp_path / at, "run", CONFIG, "hanoi", postgres.url) for at in "ab")
    with one.journal(GENESIS) as mine, other.journal(GENESIS) as theirs:
        write(mine, 3)
        assert (mine.head().step, theirs.head().step) == (3, 0)
    assert sorted(file.name for file in one.path.iterdir()) == ["run.json"]
    with open_run(one.path).journal(GENESIS, readonly=True) as journal:
        assert journal.head().step == 3


def test_a_journal_of_another_run_is_refused(tmp_path: Path) -> None:
    one, other = (create(tmp_path, name, CONFIG, "hanoi") for name in ("one", "other"))
    one.journal(GENESIS).close()
    (one.path / "journal.sqlite").rename(other.path / "journal.sqlite")
    with pytest.raises(UsageError, match=r"another run_id \(one\)"):
        other.journal(GENESIS)


@pytest.fixture
def sealed() -> Iterator[RunDir]:
    """A run that this process may read but not write, root or not."""
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        run = create(Path(base), "sealed", CONFIG, "hanoi")
        with run.journal(GENESIS) as journal:
            write(journal, 10)
        yield run
        run.path.chmod(0o755)


class Unprivileged:
    """Give up the right to write anywhere, for the length of a block."""

    def __init__(self, run: RunDir) -> None:
        self.run = run

    def __enter__(self) -> None:
        self.run.path.chmod(0o555)
        if os.getuid() == 0:
            os.seteuid(NOBODY)

    def __exit__(self, *_: object) -> None:
        if os.getuid() == 0:
            os.seteuid(0)


def test_a_finished_run_is_read_in_a_read_only_directory(sealed: RunDir) -> None:
    with Unprivileged(sealed):
        run = open_run(sealed.path)
        assert run.status() == "unfinished"
        with run.journal(GENESIS, readonly=True) as journal:
            assert (journal.head().step, sum(1 for _ in journal.rows())) == (10, 10)
        with pytest.raises(StorageError, match="cannot write in"):
            run.lease().__enter__()
        with pytest.raises(StorageError, match="cannot write"):
            run.write_summary({})
        with pytest.raises(StorageError, match=r"writable|permissions|read-only"):
            run.journal(GENESIS)


def test_commits_that_wait_in_a_read_only_directory_are_not_passed_over(sealed: RunDir) -> None:
    path = sealed.path / "journal.sqlite"
    with sealed.journal(GENESIS) as journal:
        write(journal, 12)
        wal = path.with_name("journal.sqlite-wal").read_bytes()
    path.with_name("journal.sqlite-wal").write_bytes(wal)
    with Unprivileged(sealed), pytest.raises(StorageError, match="copy the directory"):
        sealed.journal(GENESIS, readonly=True)
