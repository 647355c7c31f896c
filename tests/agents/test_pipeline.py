"""Speculation commits what one step at a time commits, whatever goes wrong in the window."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reason
from engines.base import Request, Sample
from engines.simulated import SimulatedModel
from reason.summary import Summary
from runs.journal import Journal

TASK = {"name": "hanoi", "disks": 6}


def committed(run: Path) -> list[tuple[Any, ...]]:
    """Everything about the steps but their tokens and surplus."""
    with Journal(run / "journal.sqlite", readonly=True) as journal:
        return [(*row[:7], digest) for row, digest in journal.rows()]


def meta(run: Path, key: str) -> str:
    with Journal(run / "journal.sqlite", readonly=True) as journal:
        return journal.get_meta(key) or ""


def sampled(run: Path) -> int:
    """Answers paid for."""
    with Journal(run / "journal.sqlite", readonly=True) as journal:
        return sum(usage.samples for usage in journal.usage())


def solve(run: Path, model: str, **options: Any) -> Summary:
    return asyncio.run(reason.solve(TASK, run, model=[model], **options))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    error=st.sampled_from([0.0, 0.05, 0.3]),
    flag=st.sampled_from([0.0, 0.3]),
    mode=st.sampled_from(["self", "draft"]),
    window=st.sampled_from([2, 3, 16, 1000]),
    k=st.integers(1, 4),
)
def test_every_window_commits_what_the_plain_loop_commits(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    error: float,
    flag: float,
    mode: str,
    window: int,
    k: int,
) -> None:
    """Deterministic votes, so the journals must be equal, wrong runs included."""
    folder = tmp_path_factory.mktemp("pipeline")
    model = f"sim:error={error},flag={flag},seed={seed}"
    plain = solve(folder / "plain", model, k=k)
    fast = solve(folder / "fast", model, k=k, speculate=mode, window=window)
    assert (fast.status, fast.hash, fast.votes) == (plain.status, plain.hash, plain.votes)
    assert fast.flagged >= plain.flagged
    assert committed(folder / "fast") == committed(folder / "plain")


@pytest.mark.parametrize("mode", ["self", "draft"])
@pytest.mark.parametrize("window", [5, 64, 1024])
def test_a_margin_that_changes_on_the_way_changes_at_the_same_step(
    mode: str, window: int, tmp_path: Path
) -> None:
    """Every step is decided by the margin that the plain loop would decide it by."""
    how = {"k": "auto", "target": 0.999}
    plain = solve(tmp_path / "plain", "sim:error=0.25,seed=3", **how)
    fast = solve(tmp_path / "fast", "sim:error=0.25,seed=3", **how, speculate=mode, window=window)
    assert committed(tmp_path / "fast") == committed(tmp_path / "plain")
    kept = [json.loads(meta(tmp_path / name, "pilot")) for name in ("plain", "fast")]
    assert kept[0]["changes"] == kept[1]["changes"]
    assert len(kept[0]["changes"]) > 2
    assert (fast.votes, fast.k) == (plain.votes, plain.k)
    # Votes cancelled in flight are surplus too, and were not paid for.
    assert 0 < sampled(tmp_path / "fast") - sampled(tmp_path / "plain") <= fast.surplus_votes


def test_wrong_drafts_cost_votes_and_change_nothing(tmp_path: Path) -> None:
    model = "sim:error=0.1,seed=3,latency_ms=2"
    plain = solve(tmp_path / "plain", model)
    options = {"speculate": "draft", "draft_model": "sim:error=0.2,seed=9", "window": 8}
    fast = solve(tmp_path / "fast", model, **options)
    assert fast.hash == plain.hash
    assert fast.surplus_votes > 0 == plain.surplus_votes
    with Journal(tmp_path / "fast" / "journal.sqlite", readonly=True) as journal:
        drafts = {usage.model: usage.samples for usage in journal.usage()}
    assert drafts["simulated(error=0.2,seed=9)"] >= 62


def test_a_step_that_does_not_converge_stops_where_the_plain_loop_stops(tmp_path: Path) -> None:
    settings_ = {"k": 3, "max_votes": 4}
    model = "sim:error=0.15,seed=8"
    plain = solve(tmp_path / "plain", model, **settings_)
    fast = solve(tmp_path / "fast", model, speculate="draft", window=16, **settings_)
    assert plain.status == fast.status == "no_convergence"
    assert 0 < plain.steps == fast.steps
    assert committed(tmp_path / "fast") == committed(tmp_path / "plain")
    assert fast.surplus_votes > plain.surplus_votes > 0


async def test_draft_votes_on_the_whole_window_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every request taking one tick, the run takes about one tick a window, not a step."""
    in_flight = highest = 0
    answer = SimulatedModel.sample

    async def counted(self: SimulatedModel, request: Request) -> list[Sample]:
        nonlocal in_flight, highest
        in_flight += 1
        highest = max(highest, in_flight)
        await asyncio.sleep(0)
        in_flight -= 1
        return await answer(self, request)

    monkeypatch.setattr(SimulatedModel, "sample", counted)
    summary = await reason.solve(
        TASK, tmp_path / "run", model=["sim"], speculate="draft", window=16
    )
    assert summary.status == "solved"
    assert highest == 16
