"""A micro model that was exported, read back to go on training it.

The file that llama.cpp serves holds all of the model: shape, weights and vocabulary. Reading it is
the inverse of :mod:`training.micro.export`; the weights come back as rounded to float16.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

from engines.gguf import MICRO_BYTES, check_gguf
from reason.errors import UsageError
from training.micro.export import NAMES, OUTER
from training.micro.tokenizer import cutting, wrapped


def load_micro(path: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Model and tokenizer of a GGUF file, or of a folder of ``reason train micro``.

    Raises UsageError for anything else.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if path.is_dir():
        return _from_folder(path / "safetensors" if (path / "safetensors").is_dir() else path)
    check_gguf(path)
    if path.stat().st_size >= MICRO_BYTES:
        raise UsageError(f"{path} is too large for a micro model: give one of `reason train micro`")
    try:
        return _from_gguf(gguf.GGUFReader(path))
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        why = " ".join(str(error).split())[:200]
        raise UsageError(f"{path} is no micro model of `reason train micro`: {why}") from None


def _from_folder(folder: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return model, AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise UsageError(f"cannot load a micro model from {folder}: {why}") from None


def _from_gguf(reader: gguf.GGUFReader) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    told = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    tokenizer = _tokenizer(told)
    model = LlamaForCausalLM(_config(told, tied="output.weight" not in tensors))
    state = {key: _tensor(model, key, tensors) for key in model.state_dict()}
    model.load_state_dict(state)
    return model, tokenizer


def _config(told: dict[str, Any], *, tied: bool) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=told["llama.vocab_size"],
        hidden_size=told["llama.embedding_length"],
        intermediate_size=told["llama.feed_forward_length"],
        num_hidden_layers=told["llama.block_count"],
        num_attention_heads=told["llama.attention.head_count"],
        num_key_value_heads=told["llama.attention.head_count_kv"],
        max_position_embeddings=told["llama.context_length"],
        rms_norm_eps=told["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": told["llama.rope.freq_base"]},
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=told["tokenizer.ggml.eos_token_id"],
        pad_token_id=told["tokenizer.ggml.padding_token_id"],
    )


def _tokenizer(told: dict[str, Any]) -> PreTrainedTokenizerFast:
    tokens = {token: at for at, token in enumerate(told["tokenizer.ggml.tokens"])}
    merges = [tuple(line.split(" ")) for line in told["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(BPE(vocab=tokens, merges=merges))
    tokenizer.pre_tokenizer = cutting(digits=told["tokenizer.ggml.pre"] == "smollm")
    made = wrapped(tokenizer)
    made.chat_template = told.get("tokenizer.chat_template")
    return made


def _tensor(model: LlamaForCausalLM, key: str, tensors: dict[str, Any]) -> torch.Tensor:
    if key == "lm_head.weight" and model.config.tie_word_embeddings:
        key = "model.embed_tokens.weight"
    if not key.startswith("model.layers."):
        return torch.tensor(np.asarray(tensors[f"{OUTER[key]}.weight"], dtype=np.float32))
    _, _, layer, *inner, _ = key.split(".")
    part = ".".join(inner)
    array = np.asarray(tensors[f"blk.{layer}.{NAMES[part]}.weight"], dtype=np.float32)
    if part == "self_attn.q_proj":
        array = _halve(array, model.config.num_attention_heads)
    if part == "self_attn.k_proj":
        array = _halve(array, model.config.num_key_value_heads)
    return torch.tensor(array)


def _halve(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder rotary pairs to rotary halves, as transformers rotates them."""
    rows, columns = weight.shape
    split = weight.reshape(heads, rows // heads // 2, 2, columns)
    return split.swapaxes(1, 2).reshape(rows, columns)
