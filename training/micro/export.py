"""A trained Llama as safetensors (transformers, vLLM) and as GGUF (llama.cpp).

Micro models, and general ones of the Llama family with a byte-level BPE, such as SmolLM2.
"""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from reason.errors import UsageError


def export_safetensors(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Write a folder that ``from_pretrained`` and ``vllm serve`` load."""
    logging.disable_progress_bar()  # one tiny file needs none
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def export_gguf(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, path: Path, name: str
) -> None:
    """Write a float16 GGUF file; the old one is replaced only when the new one is whole.

    Raises UsageError for a tokenizer or positions that llama.cpp would read otherwise.
    """
    splits = _splits(tokenizer)
    _check_positions(model)
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(partial, "llama")
    _write_shape(writer, model, name)
    _write_tokenizer(writer, tokenizer, splits)
    for key, tensor in model.state_dict().items():
        _write_tensor(writer, model, key, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(path)


def _write_shape(writer: gguf.GGUFWriter, model: LlamaForCausalLM, name: str) -> None:
    config = model.config
    writer.add_name(name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    width = config.head_dim
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _check_positions(model: LlamaForCausalLM) -> None:
    kind = model.config.rope_parameters["rope_type"]
    if kind != "default":
        raise UsageError(f"no GGUF can be written for a model with positions scaled by {kind}")


def _splits(tokenizer: PreTrainedTokenizerFast) -> str:
    """llama.cpp's name for the way in which a tokenizer cuts text before merging."""
    cutting = _backend(tokenizer)["pre_tokenizer"]
    steps = [step["type"] for step in cutting.get("pretokenizers", [cutting])]
    names = {("ByteLevel",): "gpt-2", ("Digits", "ByteLevel"): "smollm"}
    if tuple(steps) not in names:
        raise UsageError(f"no GGUF can be written for a tokenizer that cuts by {', '.join(steps)}")
    return names[tuple(steps)]


def _backend(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return state


def _write_tokenizer(
    writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerFast, splits: str
) -> None:
    ids = tokenizer.get_vocab()
    tokens = sorted(ids, key=lambda token: ids[token])
    control = {one["content"] for one in _backend(tokenizer)["added_tokens"] if one["special"]}
    kinds = [
        gguf.TokenType.CONTROL if token in control else gguf.TokenType.NORMAL for token in tokens
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splits)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merge_lines(tokenizer))
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def merge_lines(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """The BPE merges in the form ``left right``, in order of rank."""
    merges = _backend(tokenizer)["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


OUTER = {
    "model.embed_tokens.weight": "token_embd",
    "model.norm.weight": "output_norm",
    "lm_head.weight": "output",
}


def _write_tensor(
    writer: gguf.GGUFWriter, model: LlamaForCausalLM, key: str, tensor: torch.Tensor
) -> None:
    if key == "lm_head.weight" and model.config.tie_word_embeddings:
        return  # llama.cpp then uses the embedding for both
    array = tensor.float().numpy()
    if key.startswith("model.layers."):
        _, _, layer, *inner, _ = key.split(".")
        part = ".".join(inner)
        if part == "self_attn.q_proj":
            array = _interleave(array, model.config.num_attention_heads)
        if part == "self_attn.k_proj":
            array = _interleave(array, model.config.num_key_value_heads)
        name = f"blk.{layer}.{NAMES[part]}.weight"
    else:
        name = f"{OUTER[key]}.weight"
    # Norms stay float32: they are tiny, and llama.cpp wants them so.
    writer.add_tensor(name, array.astype(np.float16) if array.ndim > 1 else array)


def _interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder rotary halves to rotary pairs, the layout that llama.cpp's ``llama`` rotates."""
    rows, columns = weight.shape
    split = weight.reshape(heads, 2, rows // heads // 2, columns)
    return split.swapaxes(1, 2).reshape(rows, columns)
