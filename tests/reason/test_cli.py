"""The command line as a user meets it: outcomes, exit codes, one-line complaints."""

import ctypes
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reason.command import COMMAND, reason, start

SUMMARY_KEYS = {
    *("run_id", "task", "status", "verified", "steps", "steps_total", "votes", "flagged"),
    *("surplus_votes", "k", "model", "tokens", "cost_usd", "seconds", "run_dir", "result"),
}


def test_json_prints_the_one_documented_object() -> None:
    done = reason("solve", "hanoi", "-n", "5", "-m", "sim:error=0.02,flag=0.05", "--json")
    assert done.code == 0
    assert set(done.data) == SUMMARY_KEYS
    assert done.data["status"] == "solved"
    assert done.data["verified"] is True
    assert done.data["steps"] == done.data["steps_total"] == 31
    assert done.data["votes"] >= 93
    assert set(done.data["tokens"]) == {"prompt", "completion"}


def test_a_person_sees_a_table_and_nothing_on_stderr_when_quiet() -> None:
    done = reason("solve", "hanoi", "-n", "4", "-m", "sim")
    assert "solved, verified" in done.out
    assert "15 of 15" in done.out
    silent = reason("solve", "hanoi", "-n", "4", "-m", "sim", "--quiet")
    assert (silent.code, silent.out, silent.err) == (0, "", "")


def test_one_vote_of_an_unreliable_model_ends_wrong_and_says_where() -> None:
    done = reason("solve", "hanoi", "-n", "10", "-m", "sim:error=0.1", "--k", "1", "--json")
    assert done.code == 1
    assert done.data["status"] == "wrong"
    assert done.data["verified"] is False
    assert "step" in done.err


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (["solve", "hanoi", "--disks", "0"], "between 1 and 64"),
        (["solve", "hanoi", "--disks", "65"], "between 1 and 64"),
        (["solve", "hanoi", "--disks", "many"], "valid integer"),
        (["solve", "hanoi"], "disks"),
        (["solve", "hanoi", "-n", "3", "--goal", "0"], "two different pegs"),
        (["solve", "hanoi", "-n", "21"], "20 disks"),
        (["solve", "hanoi", "-n", "3", "-m", "gpt"], "the forms are"),
        (["solve", "hanoi", "-n", "3", "-m", "sim:eror=1"], "did you mean error"),
        (["solve", "hanoi", "-n", "3", "-m", "gguf:none.gguf"], "none.gguf"),
        (["solve", "hanoi", "-n", "3", "-m", "openai/gpt-4.1-mini"], "OPENAI_API_KEY"),
        (["solve", "hanoi", "-n", "3", "-m", "http://localhost:1/v1"], "names no model"),
        (["solve", "hanoi", "-n", "3", "--k", "0"], "or auto"),
        (["solve", "hanoi", "-n", "3", "--k", "9", "--max-votes", "5"], "--max-votes"),
        (["solve", "hanoi", "-n", "3", "--vote", "most"], "--vote"),
        (["solve", "hanoi", "-n", "3", "--red-flag", "("], "regular expression"),
        (["solve", "hanoi", "-n", "3", "--on-no-convergence", "escalate"], "--escalate-model"),
        (["runs", "show", "nothing"], "reason runs list"),
        (["runs", "prune"], "--all"),
        (["train", "micro", "chess"], "hanoi"),
        (["dance"], "dance"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[str], mend: str) -> None:
    done = reason(*arguments)
    assert done.code == 2
    assert mend in done.complaint
    assert not Path("reason-runs").exists(), "a refused command must leave nothing behind"


def test_json_is_one_object_for_a_refused_command_too() -> None:
    done = reason("solve", "hanoi", "-n", "0", "--json")
    assert done.code == 2
    assert done.data == {"error": done.complaint.removeprefix("reason: error: "), "exit_code": 2}


def test_an_unreachable_server_is_an_engine_failure() -> None:
    done = reason("solve", "hanoi", "-n", "3", "-m", "http://127.0.0.1:9/v1#m", "--json")
    assert done.code == 4
    assert done.data["status"] == "engine_error"
    assert "is the server running?" in done.err
    assert "Traceback" not in done.err


def test_a_token_budget_stops_resumably_and_can_be_raised() -> None:
    first = reason("solve", "hanoi", "-n", "6", "-m", "sim", "--budget-tokens", "300", "--json")
    assert (first.code, first.data["status"]) == (3, "budget")
    done = first.data["steps"]
    assert 0 < done < 63
    again = reason("runs", "resume", first.data["run_id"], "--json")
    assert again.code == 3, "the budget of a run counts over all its sessions"
    last = reason("runs", "resume", first.data["run_id"], "--budget-tokens", "999999", "--json")
    assert (last.code, last.data["steps"]) == (0, 63)
    assert last.data["tokens"]["prompt"] > first.data["tokens"]["prompt"]


def test_an_undecided_step_stops_resumably_by_default() -> None:
    done = reason("solve", "hanoi", "-n", "3", "-m", "sim:flag=1", "--max-votes", "20", "--json")
    assert (done.code, done.data["status"]) == (5, "no_convergence")
    assert done.data["flagged"] == 20
    assert "--max-votes" in done.err


def test_plurality_and_escalation_go_on_and_say_so() -> None:
    common = ["solve", "hanoi", "-n", "4", "--max-votes", "3", "--json", "--k", "3"]
    plural = reason(*common, "-m", "sim:error=0.2,seed=2", "--on-no-convergence", "plurality")
    assert plural.code in (0, 1)
    assert plural.data["steps"] == 15
    up = ["--on-no-convergence", "escalate", "--escalate-model", "sim"]
    escalated = reason(*common, "-m", "sim:error=0.4,seed=2", *up)
    assert (escalated.code, escalated.data["steps"]) == (0, 15)
    assert escalated.data["surplus_votes"] > 0


def test_dry_run_plans_and_calls_nothing() -> None:
    done = reason(
        "solve", "hanoi", "-n", "20", "-m", "http://127.0.0.1:9/v1#m", "--dry-run", "--json"
    )
    assert done.code == 0
    assert done.data["steps_total"] == 1_048_575
    assert done.data["calls_at_least"] == 3 * 1_048_575
    assert done.data["style"] == "paper"
    assert not Path("reason-runs").exists()


def test_what_looks_like_markup_is_printed_as_it_is() -> None:
    command = ["solve", "hanoi", "-n", "2", "-m", "sim", "--red-flag", "[/]"]
    assert "'[/]'" in reason(*command, "--dry-run").err
    solved = reason(*command, "--run-dir", "x[/y]")
    assert solved.code == 0, solved.err
    assert "x[/y]" in solved.out
    assert "[/]" in reason("runs", "show", "x[/y]").out
    assert "[/]" in reason("config", "show", env={"REASON_RED_FLAG": "[/]"}).out


def test_the_same_command_with_run_dir_goes_on_with_the_saved_configuration() -> None:
    command = ["solve", "hanoi", "-n", "6", "-m", "sim", "--run-dir", "mine", "--json"]
    first = reason(*command, "--budget-tokens", "200")
    assert first.code == 3
    other = reason(*command, "--k", "5")
    assert (other.code, "--k differs" in other.err) == (2, True)
    puzzle = reason("solve", "hanoi", "-n", "7", "-m", "sim", "--run-dir", "mine")
    assert (puzzle.code, "another problem" in puzzle.err) == (2, True)
    assert reason(*command).code == 3, "the saved budget holds"
    assert reason("runs", "resume", "mine", "--budget-tokens", "99999", "--json").code == 0
    assert reason(*command).data["status"] == "solved"


def test_runs_can_be_listed_shown_verified_and_pruned() -> None:
    run = reason("solve", "hanoi", "-n", "6", "-m", "sim:error=0.1", "--json").data["run_id"]
    assert [row["run_id"] for row in reason("runs", "list", "--json").data["runs"]] == [run]
    shown = reason("runs", "show", run, "--json").data
    assert (shown["status"], shown["step"]) == ("solved", 63)
    before = reason("runs", "verify", run, "--json")
    assert (before.code, before.data["ok"]) == (0, True)
    assert reason("runs", "prune", run).code == 0
    after = reason("runs", "verify", run[:-1], "--json")
    assert after.data == before.data
    assert reason("runs", "resume", run, "--json").data["status"] == "solved"


def test_settings_come_from_flags_then_environment_then_file(tmp_path: Path) -> None:
    (tmp_path / "reason.toml").write_text('model = "sim:seed=1"\nk = 2\nmax_votes = 50\n')
    env = {"REASON_K": "4", "REASON_MODEL": "sim:seed=2"}
    rows = reason("config", "show", "--json", env=env).data
    assert rows["k"] == {"value": 4, "origin": "environment REASON_K"}
    assert rows["max_votes"] == {"value": 50, "origin": "file reason.toml"}
    assert rows["vote"]["origin"] == "default"
    done = reason("solve", "hanoi", "-n", "3", "--json", "--k", "1", env=env).data
    assert (done["k"], done["model"]) == (1, "sim:seed=2")


@pytest.mark.parametrize(
    ("text", "env", "complaint"),
    [
        ("kk = 3", {}, "unknown setting kk"),
        ("k = 'three'", {}, "k in reason.toml"),
        ("k = ", {}, "reason.toml"),
        ("", {"REASON_KK": "3"}, "REASON_KK"),
        ("", {"REASON_TARGET": "2"}, "REASON_TARGET"),
        ("", {"REASON_CONFIG": "none.toml"}, "none.toml"),
    ],
)
def test_bad_settings_name_their_source(text: str, env: dict[str, str], complaint: str) -> None:
    Path("reason.toml").write_text(text)
    done = reason("config", "show", env=env)
    assert done.code == 2
    assert complaint in done.complaint


def test_corrupted_and_foreign_run_directories_are_refused() -> None:
    run = Path(reason("solve", "hanoi", "-n", "4", "-m", "sim", "--json").data["run_dir"])
    other = Path(reason("solve", "hanoi", "-n", "5", "-m", "sim", "--json").data["run_dir"])
    Path("foreign").mkdir()
    Path("foreign/file").write_text("mine")
    foreign = reason("solve", "hanoi", "-n", "4", "-m", "sim", "--run-dir", "foreign")
    assert (foreign.code, "not empty" in foreign.complaint) == (2, True)
    journal = (other / "journal.sqlite").read_bytes()
    for content in (journal, b"not a database at all", journal[:5000]):
        (run / "journal.sqlite").write_bytes(content)
        done = reason("runs", "verify", str(run))
        assert done.code == 2
        assert "journal.sqlite" in done.complaint
        assert reason("runs", "resume", str(run), "--quiet").code in (2, 4)
    (run / "run.json").write_text("{")
    assert "run.json" in reason("runs", "resume", str(run)).complaint
    assert "broken" in reason("runs", "list").out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_between_steps_and_resumes(number: signal.Signals) -> None:
    command = ["solve", "hanoi", "-n", "8", "-m", "sim:latency_ms=30", "--run-dir", "run", "--json"]
    child = start(command)
    _wait_for_steps(Path("run"))
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    data = json.loads(out)
    assert (child.returncode, data["status"]) == (130, "interrupted")
    assert "resume with" in err
    assert 0 < data["steps"] < 255
    assert data["steps"] == reason("runs", "show", "run", "--json").data["step"]


def _wait_for_steps(run: Path, steps: int = 3) -> None:
    for _ in range(300):
        shown = reason("runs", "show", str(run), "--json") if run.exists() else None
        if shown is not None and shown.code == 0 and shown.data["step"] >= steps:
            return
        time.sleep(0.05)
    raise AssertionError("the run made no step")


def test_a_second_process_on_a_run_is_refused() -> None:
    command = ["solve", "hanoi", "-n", "11", "-m", "sim:latency_ms=30", "--run-dir", "run"]
    child = start([*command, "--quiet"])
    try:
        _wait_for_steps(Path("run"))
        second = reason("runs", "resume", "run")
        assert second.code == 2
        assert f"pid {child.pid}" in second.complaint
        saved = Path("run/run.json").read_text()
        assert reason("runs", "resume", "run", "--budget-tokens", "5").code == 2
        assert Path("run/run.json").read_text() == saved, "a refused command changed a run"
        Path("an-evaluation").mkdir()
        assert reason("solve", "hanoi", "-n", "2", "-m", "sim", "--run-dir", "a-run").code == 0
        everything = reason("runs", "prune", "--all", env={"REASON_RUNS_DIR": "."})
        assert everything.code == 0, everything.err
        assert "a-run: " in everything.err
        assert "run: left as it is" in everything.err
    finally:
        child.kill()
        child.communicate()


def test_a_full_disk_stops_the_run_and_room_lets_it_go_on() -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))

    command = ["solve", "hanoi", "-n", "12", "-m", "sim", "--run-dir", "run", "--json", "--k", "1"]
    child = subprocess.run(
        [*COMMAND, *command], capture_output=True, text=True, preexec_fn=little_room, check=False
    )
    assert "Traceback" not in child.stderr
    assert child.returncode == 4
    assert "disk full" in child.stderr
    done = reason("runs", "resume", "run", "--json")
    assert (done.code, done.data["verified"]) == (0, True)


def _bound_by_permissions() -> None:
    """Takes from a superuser what lets it pass permissions; others have nothing to lose."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def _without_rights(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, preexec_fn=_bound_by_permissions, check=False
    )


def test_a_directory_that_cannot_be_written_to_is_named_at_once(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = _without_rights("solve", "hanoi", "-n", "3", "-m", "sim", "--run-dir", f"{closed}/run")
    assert done.returncode == 4
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"{closed}/run" in done.stderr
    assert "permission" in done.stderr.lower()


def test_a_run_made_read_only_stays_readable_and_goes_on_once_it_is_writable() -> None:
    run = Path("run")
    few = ["--budget-tokens", "3000", "--run-dir", "run", "--quiet"]
    assert reason("solve", "hanoi", "-n", "8", "-m", "sim", *few).code == 3
    before = reason("runs", "show", "run", "--json").data
    files = [*run.iterdir()]
    for path in files:
        path.chmod(0o400)
    run.chmod(0o500)
    try:
        refused = _without_rights("runs", "resume", "run", "--budget-tokens", "900000")
        shown = _without_rights("runs", "show", "run", "--json")
    finally:
        run.chmod(0o700)
        for path in files:
            path.chmod(0o600)
    assert refused.returncode == 4
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert json.loads(shown.stdout)["step"] == before["step"] > 0
    done = reason("runs", "resume", "run", "--budget-tokens", "900000", "--json")
    assert (done.code, done.data["verified"]) == (0, True)


@pytest.mark.parametrize(
    ("ending", "code", "out"),
    [
        ("| cat >&2; echo ${PIPESTATUS[0]}", 0, "0\n"),
        ("| true; echo ${PIPESTATUS[0]}", 0, "0\n"),
        (">&-", 0, ""),
        (">/dev/full", 4, ""),
    ],
)
def test_whatever_stdout_is_the_code_is_the_documented_one(
    ending: str, code: int, out: str
) -> None:
    for words in [["config", "show", "--json"], ["solve", "--help"]][: 1 if code else 2]:
        command = f"{shlex.join([*COMMAND, *words])} {ending}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert (done.returncode, done.stdout) == (code, out), done.stderr


def test_json_is_json_in_every_encoding() -> None:
    done = reason(
        *("solve", "Why so naïve?", "-m", "sim", "--strategy", "vote", "--json"),
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert done.code == 5, done.err
    assert "naïve" in str(done.data["trace"])


def test_foreign_packages_of_the_same_names_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").write_text("")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from reason.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "environment of its own" in done.stderr
