"""The micro trainer for real, at toy size: resume is exact, exports answer like the model."""

from pathlib import Path
from random import Random

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from engines.base import Request  # noqa: E402
from engines.options import EngineOptions  # noqa: E402
from engines.spec import open_engine  # noqa: E402
from reason.errors import UsageError  # noqa: E402
from tasks.hanoi import micro  # noqa: E402
from tests.reason.command import reason  # noqa: E402
from training.micro.export import export_gguf, export_safetensors  # noqa: E402
from training.micro.tokenizer import build_tokenizer  # noqa: E402
from training.micro.trainer import MicroRecipe, MicroTrainer  # noqa: E402

pytestmark = pytest.mark.train

TINY = MicroRecipe(hidden=32, layers=1, heads=2, inner=32, steps=6, batch=8, warmup=2)


def trainer(folder: Path, recipe: MicroRecipe = TINY) -> MicroTrainer:
    return MicroTrainer(recipe, build_tokenizer(micro.SYMBOLS), micro.draw, folder)


def test_every_symbol_is_one_token() -> None:
    tokenizer = build_tokenizer(micro.SYMBOLS)
    prompt, answer = micro.draw(Random(1))
    for text in (prompt, answer):
        pieces = tokenizer.tokenize(text)
        assert len(pieces) == len(text.split())
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_training_lowers_the_loss_and_resumes_exactly(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole")
    losses = [whole.step().loss for _ in range(6)]
    assert losses[-1] < losses[0]
    first = trainer(tmp_path / "cut")
    for _ in range(3):
        first.step()
    first.save()
    second = trainer(tmp_path / "cut")
    assert second.resume()
    assert [second.step().loss for _ in range(3)] == pytest.approx(losses[3:], rel=1e-6)


def test_another_recipes_checkpoint_is_refused(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    first.step()
    first.save()
    other = MicroRecipe(hidden=32, layers=1, heads=2, inner=32, steps=7, batch=8, warmup=2)
    with pytest.raises(UsageError, match="another recipe"):
        trainer(tmp_path, other).resume()


@pytest.mark.real_model
async def test_exports_answer_like_the_model_itself(tmp_path: Path) -> None:
    """Greedy text of GGUF in llama.cpp and of safetensors in transformers, token for token."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = trainer(tmp_path)
    for _ in range(6):
        made.step()
    export_safetensors(made.model, made.tokenizer, tmp_path / "st")
    export_gguf(made.model, made.tokenizer, tmp_path / "m.gguf", "tiny")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "st")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "st")
    engine = open_engine(f"gguf:{tmp_path / 'm.gguf'}", EngineOptions())
    try:
        for seed in range(5):
            prompt, _ = micro.draw(Random(seed))
            ids = tokenizer(prompt, return_tensors="pt")
            with torch.no_grad():
                out = model.generate(**ids, max_new_tokens=4, do_sample=False)
            expected = tokenizer.decode(out[0, ids["input_ids"].shape[1] :])
            (sample,) = await engine.sample(Request(prompt, 4, (0.0,)))
            assert sample.text == expected.removesuffix("<|end|>")
    finally:
        await engine.close()


@pytest.mark.real_model
def test_the_command_trains_examines_and_writes_the_card() -> None:
    arguments = ["--steps", "3", "--batch", "4", "--hidden", "32", "--questions", "10"]
    done = reason("train", "micro", "hanoi", *arguments, "--out", "out", "--json")
    assert done.code == 0, done.err
    assert len(done.data["marks"]) == 8
    card = Path("out/card.md").read_text()
    assert "3 steps of 4" in card
    assert Path("out/safetensors/model.safetensors").is_file()
    other = reason("train", "micro", "hanoi", "--steps", "4", "--out", "out")
    assert (other.code, "another recipe" in other.err) == (2, True)
