"""Model specs: one line of text that says where answers come from.

embedded                      the task's bundled micro model, through llama.cpp in this process
gguf:/path/file.gguf          any GGUF model, likewise
openai/NAME                   the OpenAI API (OPENAI_API_KEY; OPENAI_BASE_URL if set)
http://HOST:PORT/v1#NAME      any OpenAI-compatible server (REASON_API_KEY if it wants a key)
sim:error=0.01,flag=0.005,latency_ms=0,seed=1    a simulated model, for tests and benchmarks
    (blind=0.01: at that share of prompts it errs four times in five, always alike)
"""

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from engines.base import Engine
from engines.gguf import MICRO_BYTES, check_gguf
from engines.options import EngineOptions
from engines.simulated import SimulatedModel
from engines.transport import Transport
from reason.errors import UsageError

__all__ = ["EngineOptions", "ModelSpec", "open_engine", "parse_spec"]

Kind: TypeAlias = Literal["embedded", "gguf", "openai", "http", "sim"]

FORMS = "embedded, gguf:FILE, openai/NAME, http://HOST:PORT/v1#NAME, sim:error=0.01"
OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Simulation:
    """A simulated model: chances of wrong and malformed answers, blind spots, delay, seed."""

    error: float = 0.0
    flag: float = 0.0
    blind: float = 0.0
    latency_ms: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class ModelSpec:
    """A spec, read.

    Attributes:
        kind: which of the five forms.
        name: file, model name, or nothing.
        url: base URL of a server.
        simulation: of a ``sim:`` spec.
    """

    kind: Kind
    name: str = ""
    url: str = ""
    simulation: Simulation = field(default_factory=Simulation)


def parse_spec(text: str) -> ModelSpec:
    """Read a spec. Raises UsageError that names the form at fault."""
    if text == "embedded":
        return ModelSpec("embedded")
    if text.startswith("gguf:"):
        return _named("gguf", text.removeprefix("gguf:"), text)
    if text.startswith("openai/"):
        return _named("openai", text.removeprefix("openai/"), text)
    if text.startswith(("http://", "https://")):
        return _server(text)
    if text == "sim" or text.startswith("sim:"):
        return ModelSpec("sim", simulation=_simulation(text))
    raise UsageError(f"unknown model spec {text!r}: the forms are {FORMS}")


def _named(kind: Kind, name: str, text: str) -> ModelSpec:
    if not name:
        raise UsageError(f"model spec {text!r} names nothing: the forms are {FORMS}")
    return ModelSpec(kind, name)


def _server(text: str) -> ModelSpec:
    url, _, name = text.partition("#")
    try:
        host, _ = urlsplit(url).hostname, urlsplit(url).port
    except ValueError:
        host = None
    if not host:
        raise UsageError(f"model spec {text!r} has no valid host: write http://HOST:PORT/v1#NAME")
    if not name:
        raise UsageError(f"model spec {text!r} names no model: write {url}#NAME")
    return ModelSpec("http", name, url.rstrip("/"))


def _simulation(text: str) -> Simulation:
    values: dict[str, float] = {}
    known = list(Simulation.__dataclass_fields__)
    for part in filter(None, text.removeprefix("sim").removeprefix(":").split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise UsageError(f"model spec {text!r}: unknown {key!r}; {hint}")
        try:
            values[key] = int(value) if key == "seed" else float(value)
        except ValueError:
            raise UsageError(
                f"model spec {text!r}: {key} must be a number, not {value!r}"
            ) from None
    simulation = Simulation(**values)  # type: ignore[arg-type]
    if not all(0 <= share <= 1 for share in (simulation.error, simulation.flag, simulation.blind)):
        raise UsageError(f"model spec {text!r}: error, flag and blind must lie between 0 and 1")
    if not 0 <= simulation.latency_ms < 1e6:
        raise UsageError(f"model spec {text!r}: latency_ms must lie between 0 and 1e6")
    return simulation


def check_spec(text: str, options: EngineOptions) -> None:
    """Raise UsageError for what can be known to fail before anything is opened: file, key, form."""
    spec = parse_spec(text)
    if spec.kind == "gguf":
        check_gguf(Path(spec.name).expanduser())
    elif spec.kind == "embedded":
        check_gguf(_bundled(options))
    elif spec.kind == "openai":
        _openai_key(text)


def is_micro(text: str) -> bool:
    """Whether a spec names a micro model: a GGUF file too small for a general one."""
    spec = parse_spec(text)
    if spec.kind != "gguf":
        return False
    path = Path(spec.name).expanduser()
    return path.is_file() and path.stat().st_size < MICRO_BYTES


def _bundled(options: EngineOptions) -> Path:
    if options.bundled is None:
        raise UsageError("no micro model is bundled for this task: name another model")
    return options.bundled()


def _openai_key(text: str) -> str:
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        raise UsageError(f"{text} needs a key: set OPENAI_API_KEY")
    return key


def open_engine(text: str, options: EngineOptions) -> Engine:
    """The engine of a spec. Raises UsageError for what can be seen to be wrong at once."""
    spec = parse_spec(text)
    if spec.kind == "sim":
        return _open_simulated(text, spec.simulation, options)
    if spec.kind in ("embedded", "gguf"):
        return _open_embedded(text, spec, options)
    return _open_server(text, spec, options)


def _open_server(text: str, spec: ModelSpec, options: EngineOptions) -> Engine:
    # Clients take up to half a second to import: only those who use one wait for it.
    from engines.server import ServerEngine

    if spec.kind == "openai":
        key, url = _openai_key(text), os.environ.get("OPENAI_BASE_URL", OPENAI_URL)
    else:
        key = os.environ.get("REASON_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"
        url = spec.url
    transport = _transport(url.rstrip("/"), spec.name, key, options)
    return ServerEngine(text, spec.name, url, transport, options)


def _transport(url: str, model: str, key: str, options: EngineOptions) -> Transport:
    if options.lean:
        from engines.lean import LeanTransport

        return LeanTransport(url, model, key, options.timeout)
    from engines.sdk import SdkTransport

    return SdkTransport(url, model, key, options.timeout)


def _open_simulated(text: str, simulation: Simulation, options: EngineOptions) -> Engine:
    if options.rehearse is None:
        raise UsageError(f"{text}: this command has nothing that a simulated model could answer")
    return SimulatedModel(
        text,
        options.rehearse,
        error=simulation.error,
        flag=simulation.flag,
        blind=simulation.blind,
        latency_ms=simulation.latency_ms,
        seed=simulation.seed,
    )


def _open_embedded(text: str, spec: ModelSpec, options: EngineOptions) -> Engine:
    from engines.embedded import EmbeddedModel

    if spec.kind == "gguf":
        return EmbeddedModel(text, Path(spec.name).expanduser(), options)
    return EmbeddedModel(text, _bundled(options), options)
