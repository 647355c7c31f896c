"""A trained decomposer in the forms that engines take, with a card written from the run.

| folder | for |
|---|---|
| ``adapter/`` | vLLM, ``--enable-lora --lora-modules NAME=DIR`` (only where a LoRA was trained) |
| ``merged/`` | transformers and vLLM, safetensors |
| ``NAME.gguf`` | llama.cpp, ``gguf:FILE`` (models of the Llama family) |
| ``card.md`` | people |
"""

import json
import shutil
from pathlib import Path
from typing import Any

from peft import PeftModel

from reason.errors import UsageError
from training.decomposer.models import load
from training.micro.export import export_gguf, export_safetensors


def export(stage: Path, out: Path, name: str, evaluation: Path | None) -> list[str]:
    """Export the model of a finished stage; returns what was written, by name.

    Args:
        stage: folder of ``reason train sft`` or ``rl``.
        out: where to.
        name: of the model.
        evaluation: report.json of an evaluation of it, for the card.

    Raises UsageError for a stage that is not finished.
    """
    told = _training(stage)
    trained = stage / "model"
    decomposer = load(str(trained), 0, stage)
    model, written = decomposer.model, ["merged"]
    out.mkdir(parents=True, exist_ok=True)
    if isinstance(model, PeftModel):
        # TRL leaves the adapter that training began with beside it, as the reference of the KL.
        unwanted = shutil.ignore_patterns("ref", "training_args.bin")
        shutil.copytree(trained, out / "adapter", dirs_exist_ok=True, ignore=unwanted)
        model = model.merge_and_unload()
        written.insert(0, "adapter")
    export_safetensors(model, decomposer.tokenizer, out / "merged")
    if model.config.model_type == "llama":
        export_gguf(model, decomposer.tokenizer, out / f"{name}.gguf", name)
        written.append(f"{name}.gguf")
    card = write_card(name, told, model.num_parameters(), evaluation)
    (out / "card.md").write_text(card, encoding="utf-8")
    return [*written, "card.md"]


def _training(stage: Path) -> dict[str, Any]:
    try:
        told = json.loads((stage / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError(f"{stage} holds no finished training: run its command again") from None
    assert isinstance(told, dict)
    return told


def write_card(name: str, told: dict[str, Any], parameters: int, evaluation: Path | None) -> str:
    """The model card: data, settings, curve, and the evaluation where there is one."""
    settings, history = told["settings"], told["history"]
    lines = [f"# {name}", "", f"A decomposer of {parameters:,} parameters for DaSLaM's loop."]
    lines += ["", "| setting | value |", "|---|---|"]
    lines += [f"| {key} | {_told(value)} |" for key, value in settings.items()]
    lines += ["", "## Curve", "", *_curve(history)]
    if evaluation is not None:
        lines += ["", "## Evaluation", "", *_evaluation(evaluation)]
    return "\n".join(lines) + "\n"


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(inner)}" for key, inner in value.items())
    return str(value)


def _curve(history: list[dict[str, Any]], rows: int = 12) -> list[str]:
    """A dozen rows of the training's figures, each the mean of its stretch."""
    names = ["loss", "reward", "kl", "rewards/uplift/mean", "rewards/correct/mean"]
    kept = [name for name in names if history and name in history[0]]
    table = [f"| steps | {' | '.join(kept)} |", "|---" * (len(kept) + 1) + "|"]
    size = max(1, -(-len(history) // rows))
    for at in range(0, len(history), size):
        part = history[at : at + size]
        means = [sum(float(row[name]) for row in part) / len(part) for name in kept]
        span = f"{part[0]['step']}-{part[-1]['step']}"
        table.append(f"| {span} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return table


def _evaluation(path: Path) -> list[str]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        rows = report["strategies"]
    except (OSError, ValueError, KeyError):
        raise UsageError(f"{path} is no report of an evaluation") from None
    table = ["| configuration | right | accuracy | 95% interval |", "|---|---|---|---|"]
    for row in rows:
        low, high = row["interval"]
        table.append(
            f"| {row['strategy']} | {row['right']} of {row['asked']} | {row['accuracy']:.3f} | "
            f"{low:.3f} to {high:.3f} |"
        )
    return table
