"""The promise of voting, measured: what k buys on an unreliable simulated model."""

from pathlib import Path

import reason


async def test_auto_k_solves_ten_disks_fifty_times_out_of_fifty(tmp_path: Path) -> None:
    task = {"name": "hanoi", "disks": 10}
    for seed in range(50):
        model = [f"sim:error=0.1,seed={seed}"]
        summary = await reason.solve(task, tmp_path / str(seed), model=model, k="auto")
        assert summary.status == "solved", summary
        assert summary.verified


async def test_one_vote_usually_fails(tmp_path: Path) -> None:
    task = {"name": "hanoi", "disks": 10}
    outcomes = [
        await reason.solve(task, tmp_path / str(seed), model=[f"sim:error=0.1,seed={seed}"], k=1)
        for seed in range(10)
    ]
    assert [summary.status for summary in outcomes] == ["wrong"] * 10


async def test_equal_solutions_end_in_equal_hashes(tmp_path: Path) -> None:
    task = {"name": "hanoi", "disks": 7}
    first = await reason.solve(task, tmp_path / "a", model=["sim:error=0.1"], k=6)
    second = await reason.solve(task, tmp_path / "b", model=["sim"], k=1, vote="first-to-k")
    assert first.status == second.status == "solved"
    assert first.hash == second.hash
