"""The whole replication in one command, two steps a stage."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the train extra")

from tests.reason.command import reason
from training.decomposer.replication import Size, evaluation, stages

pytestmark = pytest.mark.train

TINY = ("--run-dir", "nano", "--scale", "0.001", "--threads", "1")


@pytest.mark.real_model
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_command_makes_the_table_and_goes_on() -> None:
    done = reason("train", "nano", *TINY, "--json")
    assert done.code == 0, done.err
    rows = [row["strategy"] for row in done.data["strategies"]]
    of_one = ["alone", "vote", "prompted", "sft", "sft+rl"]
    assert rows == [*of_one, *(f"second-{name}" for name in of_one)]
    assert "| sft+rl | " in Path("nano/exported/sft+rl/card.md").read_text()
    twin = reason("train", "nano", "--run-dir", "twin", *TINY[2:], "--json")
    assert twin.code == 0, twin.err
    made = sorted(path.relative_to("nano") for path in Path("nano").rglob("*.gguf"))
    assert len(made) == 4  # two solvers, two decomposers
    for path in made:
        assert Path("nano", path).read_bytes() == Path("twin", path).read_bytes()
    marks = json.loads(Path("nano/stages.json").read_text())
    Path("nano/exported/sft/decomposer.gguf").rename("nano/moved.gguf")
    marks["exported/sft"]["done"] = False  # as a kill in the midst of it would leave it
    Path("nano/stages.json").write_text(json.dumps(marks))
    again = reason("train", "nano", *TINY, "--json")
    assert again.data["strategies"] == done.data["strategies"]
    assert again.err.count("there already") == len(marks) - 1
    assert Path("nano/exported/sft/decomposer.gguf").is_file()
    other = reason("train", "nano", *TINY, "--seed", "2")
    assert other.code == 2
    assert "nano/solver was made by `reason train micro chains" in other.complaint


def test_a_folder_of_something_else_is_refused() -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    refused = reason("train", "nano", "--run-dir", "mine")
    assert refused.code == 2
    assert "is not empty and no replication" in refused.complaint


def test_a_stage_that_fails_ends_all_in_its_own_words() -> None:
    """Both solvers are told to be there, but what the data stage wants of them is not."""
    made = stages(Size(0.001), ablate=False)[:2]
    for stage in made:
        Path("nano", stage.name).mkdir(parents=True)
    marks = {
        stage.name: {"command": list(stage.command), "done": True, "seconds": 0.0} for stage in made
    }
    Path("nano/stages.json").write_text(json.dumps(marks))
    failed = reason("train", "nano", *TINY)
    assert failed.code == 2
    assert failed.err.count("reason: error: ") == 1
    assert "cannot read the model solver/chain-solver.gguf" in failed.err


def test_ablations_leave_out_each_reward_and_change_nothing_else() -> None:
    plain, ablated = (stages(Size(), ablate=ablate) for ablate in (False, True))
    assert ablated[: len(plain)] == plain
    commands = {stage.name: stage.command for stage in ablated}
    rewards = {
        name: {text.partition("=")[0] for text in command if "=" in text}
        for name, command in commands.items()
        if command[1] == "rl"
    }
    assert rewards["no-uplift"] == {"form"}
    five = {"entities", "subanswers", "order", "thought", "correct"}
    assert rewards["paper"] == five
    for name in five:
        assert rewards[f"paper-no-{name}"] == five - {name}
    table = evaluation(Size(), ablate=True)
    assert sum(text == "--decomposer" for text in table) == len(rewards) + 1
