"""A real small model trained, exported, reloaded and served; minutes, so marked slow."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from tests.reason.command import reason  # noqa: E402
from tests.serving.material import process  # noqa: E402
from tests.small_model import NO_MODEL, smollm2  # noqa: E402
from training.decomposer.models import Decomposer, load  # noqa: E402
from training.micro.export import export_gguf  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.real_model,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

PROBLEM = "Mia has 12 pens. She buys 5. She loses 8. She doubles them. How many now?"
TEXTS = [
    "There are  1234 apples  5.67 kg <|im_end|> <repo_name>",
    "def f(x):\n\n    return x**2  # ok\t\ttabs",
    "naïve café 数字 it's 10,000",
]
TOKENS = 6
ASKED = ["What is the capital of France?", "Mia has 12 pens. She buys 5. How many now?"]


class Made(NamedTuple):
    """Where the stages of one training lie."""

    folder: Path
    source: str

    @property
    def decomposer(self) -> str:
        return f"gguf:{self.folder / 'exported' / 'mine.gguf'}"


@contextmanager
def served(spec: str) -> Iterator[str]:
    """A GGUF file behind llama.cpp's own server."""
    import xllamacpp

    params: Any = xllamacpp.CommonParams()
    params.model.path = spec.removeprefix("gguf:")
    params.n_parallel, params.n_ctx, params.port = 1, 1024, 0
    params.cpuparams.n_threads, params.verbosity = 1, -1
    running = xllamacpp.Server(params)
    yield str(running.listening_address)
    del running


def post(url: str, **body: Any) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.loads(response.read())


def token_ids(url: str, text: str) -> list[int]:
    tokens: list[int] = post(f"{url}/tokenize", content=text, parse_special=True)["tokens"]
    return tokens


def heard(url: str, text: str) -> list[float]:
    """Log-probabilities of the first tokens that a server says, greedily, in a chat."""
    asked = {"messages": [{"role": "user", "content": text}], "temperature": 0}
    done = post(f"{url}/v1/chat/completions", **asked, max_tokens=TOKENS, logprobs=True)
    return [one["logprob"] for one in done["choices"][0]["logprobs"]["content"]][:TOKENS]


def spoken(model: Decomposer, text: str) -> list[float]:
    """The same from transformers."""
    asked = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    wanted = {"do_sample": False, "output_logits": True, "return_dict_in_generate": True}
    done = model.model.generate(**asked, max_new_tokens=TOKENS, **wanted)
    said = done.sequences[0, asked["input_ids"].shape[1] :]
    return [
        float(row[0].log_softmax(-1)[token]) for row, token in zip(done.logits, said, strict=True)
    ]


def near(values: list[float]) -> Any:
    """Equal but for the rounding to float16."""
    return pytest.approx(values, abs=0.03)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Data, SFT with LoRA, RL on the adapter, export: the commands, two steps each."""
    model = smollm2()
    if model is None:
        pytest.skip(NO_MODEL)
    folder = tmp_path_factory.mktemp("smollm2")
    source = f"gguf:{model}"
    for command in (
        "data chains --count 8 --out rows.jsonl",
        f"sft --data rows.jsonl --out sft --model {source} --rank 4 --steps 2 --batch 2",
        "rl --data rows.jsonl --out rl --model sft/model --steps 2 --batch 2 --generations 2 "
        "--max-tokens 16 --solver-tokens 16 --solver-temperature 0",
        "export rl --out exported --name mine",
    ):
        done = reason("train", *command.split(), cwd=folder)
        assert done.code == 0, done.err
    return Made(folder, source)


def test_a_lora_is_trained_and_written_in_every_form(made: Made) -> None:
    told = {
        stage: json.loads((made.folder / stage / "training.json").read_text())
        for stage in ("sft", "rl")
    }
    assert [row["step"] for row in told["sft"]["history"]] == [1, 2]
    assert "kl" in told["rl"]["history"][0]
    out = made.folder / "exported"
    assert {path.name for path in out.iterdir()} == {"adapter", "merged", "mine.gguf", "card.md"}
    adapter = json.loads((out / "adapter" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["base_model_name_or_path"]) == (4, str(made.folder / "sft/base"))


def test_the_exported_file_speaks_as_the_model_that_was_trained(made: Made) -> None:
    merged = load(str(made.folder / "exported" / "merged"), 1, made.folder)
    with served(made.decomposer) as url:
        for text in ASKED:
            assert heard(url, text) == near(spoken(merged, text))


def test_an_export_without_training_keeps_tokens_and_weights(made: Made, tmp_path: Path) -> None:
    base = load(str(made.folder / "sft" / "base"), 1, made.folder)
    path = tmp_path / "again.gguf"
    export_gguf(base.model, base.tokenizer, path, "again")
    with served(made.source) as original, served(f"gguf:{path}") as again:
        for text in TEXTS:
            tokens = token_ids(original, text)
            assert token_ids(again, text) == tokens
            assert base.tokenizer(text)["input_ids"] == tokens
        for text in ASKED:
            assert heard(again, text) == near(spoken(base, text))
            # llama.cpp rounds what flows into four-bit weights: the original is a little apart.
            assert heard(again, text)[0] == pytest.approx(heard(original, text)[0], abs=0.3)


def test_it_guides_a_solver(made: Made) -> None:
    asked = ("--kind", "number", "--strategy", "daslam", "--temperature", "0")
    models = ("--model", "embedded", "--decomposer", made.decomposer)
    done = reason("solve", PROBLEM, *asked, *models, "--max-tokens", "64", "--json")
    assert done.code == 0, done.err
    assert done.data["answer"].lstrip("-").isdigit()
    decomposition = done.data["trace"]["children"][0]
    assert decomposition["kind"] == "decomposition"
    assert decomposition["texts"]


def test_it_answers_over_http(made: Made) -> None:
    short = ("--temperature", "0", "--max-tokens", "32", "--kind", "text")
    with process("--model", made.decomposer, *short) as (url, _):
        asked = [{"role": "user", "content": ASKED[0]}]
        done = post(f"{url}/v1/chat/completions", model="reason-direct", messages=asked)
    assert done["choices"][0]["message"]["content"]
    assert done["usage"]["completion_tokens"] > 0
