"""Errors that all votes share: plain voting fails at every margin, other ways of asking succeed."""

import json
from pathlib import Path

import pytest

import reason
from runs.store import open_run
from tests.reason.command import reason as command

TASK = {"name": "hanoi", "disks": 8}
MODEL = "sim:error=0.01,blind=0.05,seed=3"


@pytest.mark.parametrize("k", [1, 3, 10, 40])
async def test_no_margin_mends_a_blind_spot(k: int, tmp_path: Path) -> None:
    summary = await reason.solve(TASK, tmp_path / "run", model=[MODEL], k=k, max_votes=5000)
    assert summary.status == "wrong"


@pytest.mark.parametrize("seed", range(3, 8))
async def test_renamed_pegs_do(seed: int, tmp_path: Path) -> None:
    model = [f"sim:error=0.01,blind=0.05,seed={seed}"]
    summary = await reason.solve(
        TASK, tmp_path / "run", model=model, k=6, variants=6, max_votes=5000
    )
    assert summary.verified


async def test_a_second_model_does(tmp_path: Path) -> None:
    models = [f"sim:error=0.01,blind=0.02,seed={seed}" for seed in (1, 2, 3, 4)]
    summary = await reason.solve(TASK, tmp_path / "run", model=models, k=4, max_votes=5000)
    assert summary.verified


def test_the_estimate_warns_of_it() -> None:
    arguments = ["estimate", "hanoi", "-n", "8", "-m", MODEL, "--samples", "1000", "--json"]
    plain = command(*arguments).data
    assert plain["verdict"] == "infeasible"
    assert "--variants" in plain["advice"]
    assert plain["measured"]["lost_share"] == pytest.approx(0.05, abs=0.025)
    assert command(*arguments, "--variants", "6").data["verdict"] == "feasible"


async def test_likelihood_learns_once_what_votes_are_worth(tmp_path: Path) -> None:
    models, path = ["sim:error=0.3", "sim:error=0.02,seed=2"], tmp_path / "run"
    stopped = await reason.solve(
        TASK, path, model=models, vote="likelihood", mix="evidence", budget_tokens=25_000
    )
    assert stopped.status == "budget"
    run = open_run(path)
    with run.journal(readonly=True) as journal:
        before = journal.get_meta("mixture") or ""
    saved = {**run.config["options"], "budget_tokens": None}
    run.write_config({**run.config, "options": saved})
    assert (await reason.solve(TASK, path)).verified
    with run.journal(readonly=True) as journal:
        assert journal.get_meta("mixture") == before
    data = json.loads(before)
    assert data["weights"][0] < data["weights"][1]
    assert data["turns"].count(1) > data["turns"].count(0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--variants", "7"], "hanoi-4 has 6"),
        (["--mix", "evidence"], "needs --vote likelihood"),
        (["--mix", "1,2"], "give a weight to each of 1"),
        (["--mix", "much"], "--mix"),
        (["--ladder", "0.1,hot"], "--ladder"),
        (["--vote", "likelihood", "--k", "auto"], "leave --k auto out"),
        (["--vote", "first-to-k", "--k", "auto"], "give --k yourself"),
    ],
)
def test_bad_options_are_one_line(arguments: list[str], words: str) -> None:
    outcome = command("solve", "hanoi", "-n", "4", "-m", "sim", *arguments)
    assert outcome.code == 2
    assert words in outcome.complaint
