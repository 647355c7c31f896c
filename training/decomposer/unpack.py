"""A GGUF file unpacked into a folder that transformers trains and vLLM serves.

The weights lose their quantisation, and the tokenizer gets what transformers leaves out when it
reads a GGUF: how text is cut before merging, and which tokens are control tokens. A LoRA trained on
the folder names it as its base.
"""

import shutil
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import gguf
import torch
from filelock import FileLock
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from engines.gguf import check_gguf
from reason.errors import UsageError

CUTS: dict[str | None, PreTokenizer | None] = {
    "gpt-2": ByteLevel(add_prefix_space=False),
    "smollm": Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]),
    "qwen2": None,
    None: None,
}
"""Tokenizers by llama.cpp's names for their cutting; None for those that transformers reads right.

A SentencePiece tokenizer has no such name.
"""


def unpack(path: Path, folder: Path, dtype: torch.dtype) -> None:
    """Write the model of a GGUF file into ``folder``, unless it is there.

    Of several training processes the first writes and the others wait for it.
    Raises UsageError for a file that is none, or whose tokenizer would be read wrongly.
    """
    check_gguf(path)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            _write(path, folder, dtype)


def _write(path: Path, folder: Path, dtype: torch.dtype) -> None:
    tokenizer = _tokenizer(path)
    with redirect_stderr(StringIO()):  # a bar that nothing else turns off
        model = AutoModelForCausalLM.from_pretrained(
            str(path.parent), gguf_file=path.name, dtype=dtype
        )
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    _plain(model).save_pretrained(str(partial))
    tokenizer.save_pretrained(str(partial))
    partial.replace(folder)


def _plain(model: Any) -> Any:
    """The model without its memory of having been quantised."""
    model.hf_quantizer = None
    del model.config.quantization_config
    return model


def _tokenizer(path: Path) -> PreTrainedTokenizerBase:
    fields = gguf.GGUFReader(path).fields
    cut = fields["tokenizer.ggml.pre"].contents() if "tokenizer.ggml.pre" in fields else None
    if cut not in CUTS:
        raise UsageError(
            f"{path} cuts text in the way of {cut}, which cannot be read from a GGUF: give the "
            "model's own folder of safetensors"
        )
    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    if CUTS[cut] is not None:
        tokenizer.backend_tokenizer.pre_tokenizer = CUTS[cut]
    tokenizer.backend_tokenizer.add_special_tokens(_control(fields))
    return tokenizer


def _control(fields: dict[str, Any]) -> list[str]:
    """The control tokens, which text is searched for before it is cut."""
    kinds = fields["tokenizer.ggml.token_type"].contents()
    tokens = fields["tokenizer.ggml.tokens"].contents()
    return [
        token for token, kind in zip(tokens, kinds, strict=True) if kind == gguf.TokenType.CONTROL
    ]
