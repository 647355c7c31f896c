"""``reason eval``: the report says what the journal says."""

import json
from pathlib import Path

from reason.summary import EXIT_CODES
from tests.reason.command import reason


def test_the_report_agrees_with_the_run() -> None:
    model = "sim:error=0.1,flag=0.05,seed=2"
    done = reason("eval", "hanoi", "-n", "8", "-m", model, "--k", "5", "--json")
    assert done.code == 0
    run = Path(done.data["run_dir"])
    data = json.loads((run / "report.json").read_text())
    assert data["steps"] == done.data["steps"] == 255
    assert data["votes"] == done.data["votes"]
    assert data["flagged"] == done.data["flagged"]
    assert sum(data["steps_by_votes"].values()) == 255
    assert data["undecided_by_round"][0] == 255
    assert data["undecided_by_round"][-1] == 0
    low, high = data["p"]["interval"]
    assert low < 0.9 < high
    low, high = data["v"]["interval"]
    assert low < 0.95 < high
    assert data["hardest_steps"][0]["rounds"] > 1
    page = (run / "report.html").read_text()
    assert "solved and verified" in page
    assert "http" not in page.replace("http-equiv", ""), "the page fetches nothing"


def test_an_evaluation_stops_and_resumes_like_every_run() -> None:
    command = ["eval", "hanoi", "-n", "6", "-m", "sim", "--run-dir", "run", "--json"]
    first = reason(*command, "--budget-tokens", "200")
    assert first.code == EXIT_CODES["budget"]
    assert "budget" in Path("run/report.html").read_text()
    assert reason("runs", "resume", "run", "--budget-tokens", "99999").code == 0
    assert reason(*command).data["status"] == "solved"
    assert "solved and verified" in Path("run/report.html").read_text()
