"""The bundled micro model as vLLM loads models, and LoRA adapters for it: real weights, tiny files.

The model is read back from its GGUF file, so vLLM serves the very weights that llama.cpp serves and
a run through it must end solved. One adapter changes nothing and one drowns the model in noise:
together they show that adapters are loaded, told apart and applied.
"""

from pathlib import Path

import gguf
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from tasks.hanoi.micro import SYMBOLS
from training.micro.export import NAMES, export_safetensors
from training.micro.tokenizer import build_tokenizer

OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}


def write_model(source: Path, folder: Path) -> None:
    """Convert a micro model from GGUF to a safetensors folder."""
    model = _read(gguf.GGUFReader(source))
    export_safetensors(model, build_tokenizer(SYMBOLS), folder)


def _read(reader: gguf.GGUFReader) -> LlamaForCausalLM:
    def number(key: str) -> float:
        return float(reader.fields[f"llama.{key}"].contents())

    heads = int(number("attention.head_count"))
    tokenizer = build_tokenizer(SYMBOLS)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=int(number("embedding_length")),
        intermediate_size=int(number("feed_forward_length")),
        num_hidden_layers=int(number("block_count")),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=int(number("context_length")),
        rms_norm_eps=number("attention.layer_norm_rms_epsilon"),
        rope_theta=number("rope.freq_base"),
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    weights = {_name(t.name): _tensor(t, heads) for t in reader.tensors}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], []), (missing, unexpected)
    model.tie_weights()
    return model


def _name(name: str) -> str:
    part, _, rest = name.removesuffix(".weight").partition(".")
    if part != "blk":
        return f"{OUTER[part]}.weight"
    layer, _, inner = rest.partition(".")
    back = {short: long for long, short in NAMES.items()}
    return f"model.layers.{layer}.{back[inner]}.weight"


def _tensor(tensor: gguf.ReaderTensor, heads: int) -> torch.Tensor:
    """A tensor with its rotary pairs put back into halves."""
    data = torch.tensor(tensor.data.astype("float32"))
    if "attn_q." in tensor.name or "attn_k." in tensor.name:
        rows, columns = data.shape
        data = data.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2)
        data = data.reshape(rows, columns)
    return data


def write_adapter(model_folder: Path, folder: Path, noise: float) -> None:
    """Write a LoRA adapter; without noise its product is zero, as it is before training."""
    torch.manual_seed(1)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "o_proj"])
    model = get_peft_model(LlamaForCausalLM.from_pretrained(model_folder), config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=noise) if noise else weight.zero_()
    model.save_pretrained(str(folder))
