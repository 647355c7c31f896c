"""Byte-level BPEs for micro models: any byte can be read, nothing is unknown.

Where a task lists its symbols, the merges are written by hand, so that every symbol is one token.
For any other task they are learnt from its prompts and answers, so that the words which all prompts
share are one token each; digits stay apart, since a model cannot work out a number that it never
saw if every number is a token of its own. transformers, vLLM and llama.cpp read both kinds alike.
"""

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer
from tokenizers.pre_tokenizers import Sequence as Steps
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

END = "<|end|>"
SPACE = "Ġ"  # how GPT-2's byte alphabet writes a blank
LARGEST = 2048  # tokens of a learnt vocabulary
TEMPLATE = "{% for message in messages %}{{ message['content'] + '\n' }}{% endfor %}"
"""A chat is its messages one after another: a model that knows one task needs no roles."""


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
    tokenizer.pre_tokenizer = cutting(digits=False)
    return wrapped(tokenizer)


def learn_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are the words of ``texts``, and every digit by itself."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = cutting(digits=True)
    trainer = BpeTrainer(
        vocab_size=LARGEST,
        min_frequency=2,
        special_tokens=[END],
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    made = wrapped(tokenizer)
    made.chat_template = TEMPLATE
    return made


def cutting(*, digits: bool) -> PreTokenizer:
    """How text is cut into words, and digits apart from each other where they are wanted so."""
    words = ByteLevel(add_prefix_space=False)
    return Steps([Digits(individual_digits=True), words]) if digits else words


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """A tokenizer as transformers takes it."""
    tokenizer.decoder = ByteLevelDecoder()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False
    )
