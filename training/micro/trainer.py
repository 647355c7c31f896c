"""Training a micro model from scratch on CPU: AdamW, warm-up, cosine, answers only in the loss.

The stream of examples is a function of (seed, step), and a checkpoint holds model, optimiser and
step, so a run that was stopped goes on as if it had not been.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from reason.errors import UsageError

IGNORED = -100  # label of tokens that carry no loss
POOL = 8  # batches drawn at once, to be cut by length
CONTEXT = 512  # tokens that a micro model can hold

Draw = Callable[[Random], tuple[str, ...]]
"""Draws one example: texts by turns given and learnt, such as (prompt, answer)."""


@dataclass(frozen=True)
class MicroRecipe:
    """Size and schedule of a micro model.

    Attributes:
        hidden, layers, heads, inner: shape of the Llama.
        steps, batch: optimiser steps, and examples in each.
        learning_rate: peak of the schedule; warm-up takes ``warmup`` steps.
        seed: of weights and data.
    """

    hidden: int = 128
    layers: int = 2
    heads: int = 4
    inner: int = 256
    steps: int = 5000
    batch: int = 96
    learning_rate: float = 2e-3
    warmup: int = 100
    seed: int = 1


@dataclass(frozen=True)
class Progress:
    """Figures of the last step: mean loss per answer token (nats), share of exact answers."""

    step: int
    loss: float
    exact: float


def build_model(recipe: MicroRecipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama of the recipe's shape with weights drawn from its seed."""
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def _batch(
    tokenizer: PreTrainedTokenizerFast, examples: Sequence[tuple[str, ...]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, (batch, longest), padded on the right; every example ends with END."""
    end = tokenizer.eos_token_id
    rows = [_labelled(tokenizer, example) for example in examples]
    width = max(len(ids) for ids, _ in rows) + 1
    ids = torch.full((len(rows), width), end)
    labels = torch.full((len(rows), width), IGNORED)
    for at, (tokens, learnt) in enumerate(rows):
        ids[at, : len(tokens)] = torch.tensor(tokens)
        labels[at, : len(learnt)] = torch.tensor(learnt)
        labels[at, len(learnt)] = end
    return ids, labels


def _labelled(
    tokenizer: PreTrainedTokenizerFast, example: tuple[str, ...]
) -> tuple[list[int], list[int]]:
    tokens: list[int] = []
    labels: list[int] = []
    for at, part in enumerate(tokenizer(list(example))["input_ids"]):
        tokens += part
        labels += part if at % 2 else [IGNORED] * len(part)
    return tokens, labels


def _length(example: tuple[str, ...]) -> int:
    return sum(map(len, example))


def _rate(recipe: MicroRecipe, step: int) -> float:
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


class MicroTrainer:
    """Holds model and optimiser; :meth:`step` takes one step, :meth:`save` and resume are exact."""

    def __init__(
        self,
        recipe: MicroRecipe,
        tokenizer: PreTrainedTokenizerFast,
        draw: Draw,
        folder: Path,
        subject: str = "",
    ) -> None:
        self.recipe = recipe
        self.subject = subject
        self.tokenizer = tokenizer
        self.draw = draw
        self.folder = folder
        self.model = build_model(recipe, tokenizer)
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        plain = [p for p in self.model.parameters() if p.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
            betas=(0.9, 0.98),
        )
        self.done = 0
        self.seconds = 0.0
        self._pool: list[list[tuple[str, ...]]] = []

    def step(self) -> Progress:
        """One optimiser step on fresh examples."""
        ids, labels = _batch(self.tokenizer, self._examples())
        targets = labels[:, 1:]
        logits = self.model(ids[:, :-1]).logits
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        for group in self.optimizer.param_groups:
            group["lr"] = _rate(self.recipe, self.done)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.done += 1
        right = (logits.argmax(-1) == targets) | (targets == IGNORED)
        return Progress(self.done, loss.item(), right.all(dim=1).float().mean().item())

    def _examples(self) -> list[tuple[str, ...]]:
        """The examples of the step to come: neighbours in length, since padding costs as much."""
        pool, turn = divmod(self.done, POOL)
        if turn == 0 or not self._pool:
            rng, size = Random(f"{self.recipe.seed}/{pool}"), self.recipe.batch
            drawn = sorted((self.draw(rng) for _ in range(size * POOL)), key=_length)
            self._pool = [drawn[at : at + size] for at in range(0, len(drawn), size)]
            rng.shuffle(self._pool)
        return self._pool[turn]

    def save(self) -> None:
        """Write a checkpoint; the old one is replaced only when the new one is whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "recipe": asdict(self.recipe),
            "subject": self.subject,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "done": self.done,
            "seconds": self.seconds,
        }
        partial = self.folder / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self.folder / "checkpoint.pt")

    def resume(self) -> bool:
        """Load the folder's checkpoint, if there is one. Raises UsageError for another recipe's."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        if state.get("subject", self.subject) != self.subject:
            raise UsageError(
                f"{path} was made for another problem ({state['subject']}); give another --out, "
                "or --restart"
            )
        if state["recipe"] != asdict(self.recipe):
            raise UsageError(
                f"{path} was made by another recipe ({json.dumps(state['recipe'])}); "
                "give the same settings, another --out, or --restart"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.done, self.seconds = state["done"], state.get("seconds", 0.0)
        return True
