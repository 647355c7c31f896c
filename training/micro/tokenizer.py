"""A byte-level BPE whose merges are written by hand, so that every symbol of a step is one token.

The tokenizer is the GPT-2 kind (any byte can be read, nothing is unknown), which transformers,
vLLM and llama.cpp implement alike. Its merges are exactly the symbols that the task lists.
"""

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

END = "<|end|>"
SPACE = "Ġ"  # how GPT-2's byte alphabet writes a blank


def _merges(symbols: Sequence[str]) -> list[tuple[str, str]]:
    merges: list[tuple[str, str]] = []
    for symbol in symbols:
        text = symbol.replace(" ", SPACE)
        for cut in range(1, len(text)):
            pair = (text[:cut], text[cut])
            if pair not in merges:
                merges.append(pair)
    return merges


def build_tokenizer(symbols: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer in which each of ``symbols`` (ASCII, at most one leading blank) is one token."""
    # Merges with the blank come first, so that a word's own beginning never steals from another.
    merges = _merges(sorted(symbols, key=lambda symbol: (symbol[0] != " ", len(symbol))))
    vocabulary = [END, *sorted(ByteLevel.alphabet()), *(a + b for a, b in merges)]
    model = BPE(vocab={token: at for at, token in enumerate(vocabulary)}, merges=merges)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False
    )
