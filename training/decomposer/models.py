"""Decomposers as transformers models: loading, wrapping in LoRA, saving.

``micro`` is a fresh Llama of half a million parameters over the words of chain problems;
``gguf:FILE`` is any model that llama.cpp runs, unpacked once; anything else is a folder (or hub
name) of a model, or of a LoRA adapter trained on one.
"""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import disable_progress_bars
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from agents.questions.prompting import MICRO, Prompts, load_prompts
from reason.errors import UsageError
from tasks.chains.examples import SYMBOLS
from training.decomposer.unpack import unpack
from training.micro.tokenizer import build_tokenizer
from training.micro.trainer import MicroRecipe, build_model

FRESH = "micro"
GGUF = "gguf:"
SHAPE = MicroRecipe(hidden=128, layers=3, heads=4, inner=256)

QUIET = logging.ERROR


class Decomposer(NamedTuple):
    """A model, its tokenizer, and the prompts that suit it."""

    model: Any
    tokenizer: PreTrainedTokenizerBase
    words: Prompts


def load(name: str, seed: int, room: Path) -> Decomposer:
    """A decomposer to train.

    Args:
        name: what to load.
        seed: of a fresh model's weights.
        room: folder in which a GGUF file is unpacked, as ``base``.

    Raises UsageError for what is no model.
    """
    logging.set_verbosity(QUIET)
    logging.disable_progress_bar()
    disable_progress_bars()
    if name == FRESH:
        recipe = MicroRecipe(**{**SHAPE.__dict__, "seed": seed})
        tokenizer = build_tokenizer(SYMBOLS)
        return _decomposer(build_model(recipe, tokenizer), tokenizer)
    try:
        folder = _unpacked(name, room) if name.startswith(GGUF) else name
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return _decomposer(_weights(Path(folder)), tokenizer)
    except (OSError, ValueError, LookupError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"cannot load a model from {name}: {reason}") from None


def _unpacked(name: str, room: Path) -> str:
    path = Path(name.removeprefix(GGUF)).expanduser().resolve()
    folder = (room / "base").resolve()
    unpack(path, folder, precision())
    return str(folder)


def _weights(path: Path) -> Any:
    if not (path / "adapter_config.json").is_file():
        return AutoModelForCausalLM.from_pretrained(str(path), dtype=precision())
    base = LoraConfig.from_pretrained(str(path)).base_model_name_or_path
    model = AutoModelForCausalLM.from_pretrained(base, dtype=precision())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one library about another
        return PeftModel.from_pretrained(model, str(path), is_trainable=True)


def _decomposer(model: Any, tokenizer: PreTrainedTokenizerBase) -> Decomposer:
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    chat = getattr(tokenizer, "chat_template", None) is not None
    return Decomposer(model, tokenizer, load_prompts(None if chat else MICRO))


def check_rank(name: str, rank: int) -> None:
    """Raise UsageError for a LoRA on a fresh model: its random weights are kept nowhere."""
    if name == FRESH and rank:
        raise UsageError(f"--rank {rank}: a fresh {FRESH} model is trained whole, leave --rank out")


def precision() -> torch.dtype:
    """bfloat16 on a GPU, float32 elsewhere."""
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32


def lora(rank: int) -> LoraConfig | None:
    """A LoRA of a rank on every linear layer; None for rank 0, which trains all weights."""
    if rank == 0:
        return None
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.05,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
