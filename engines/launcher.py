"""Which server serves a model, and with which command: vLLM on a GPU, llama.cpp otherwise.

MODEL                         served by
embedded, gguf:FILE, FILE.gguf    llama.cpp, in a process of its own
FOLDER, OWNER/NAME                vLLM: a folder of safetensors, or a name on the model hub

Everything that can be seen to fail before a server is started is refused here, as UsageError.
:mod:`engines.supervisor` runs the plan that comes out.
"""

import errno
import importlib.util
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engines.gguf import check_gguf
from reason.errors import UsageError

HOST = "127.0.0.1"
FORMS = "embedded, FILE.gguf, a folder of safetensors, or OWNER/NAME on the model hub"
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of adapters that vLLM can be told to make room for."""


@dataclass(frozen=True)
class Plan:
    """A server to start.

    Attributes:
        engine: its name, for people.
        command: what is run.
        environment: variables added to this process's own.
        port: where it listens on loopback.
        names: what requests may call for: the model, then its adapters.
    """

    engine: str
    command: tuple[str, ...]
    port: int
    names: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The base URL of its API."""
        return f"http://{HOST}:{self.port}/v1"


@dataclass(frozen=True)
class Wish:
    """What the user asked to be served; see ``reason engine up --help``."""

    model: str
    port: int
    adapters: Mapping[str, Path] = field(default_factory=dict)
    data_parallel: int = 1
    vllm_python: str | None = None
    flags: Sequence[str] = ()


def plan(wish: Wish, bundled: Path) -> Plan:
    """The server for a wish; ``bundled`` is the micro model. Raises UsageError."""
    model = wish.model
    if model == "embedded" or model.startswith("gguf:") or model.endswith(".gguf"):
        file = bundled if model == "embedded" else Path(model.removeprefix("gguf:"))
        return _llamacpp(wish, file.expanduser())
    return _vllm(wish, _weights(model))


def _llamacpp(wish: Wish, file: Path) -> Plan:
    check_gguf(file)
    if wish.adapters or wish.data_parallel > 1:
        raise UsageError(
            "llama.cpp serves neither adapters nor several copies: give a folder of safetensors "
            "to vLLM, or merge the adapter into the file"
        )
    port = free_port(wish.port)
    command = [
        sys.executable,
        "-P",
        "-m",
        "engines.llamacpp_server",
        str(file),
        "--port",
        str(port),
    ]
    home = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return Plan(
        "llama.cpp", (*command, *wish.flags), port, (file.stem,), environment={"PYTHONPATH": path}
    )


def _weights(model: str) -> str:
    """A folder made absolute, or a hub name as it stands."""
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UsageError(f"{path} is no model: it holds no config.json")
        return str(path.resolve())
    if path.exists():
        raise UsageError(f"cannot serve the file {path}: the forms are {FORMS}")
    if model.startswith((".", "/", "~")):
        raise UsageError(f"cannot read the model {path}: No such file or directory")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise UsageError(f"unknown model {model!r}: the forms are {FORMS}")
    return model


def _vllm(wish: Wish, weights: str) -> Plan:
    name = Path(weights).name if Path(weights).is_absolute() else weights
    adapters = [f"{adapter}={folder.resolve()}" for adapter, folder in wish.adapters.items()]
    rank = max((_rank(folder) for folder in wish.adapters.values()), default=0)
    if name in wish.adapters:
        raise UsageError(f"--adapter {name}=...: the model itself has that name; give another")
    command = _vllm_start(wish.vllm_python, weights)
    port = free_port(wish.port)
    command += ["--host", HOST, "--port", str(port), "--served-model-name", name]
    command += ["--enable-prefix-caching"]
    if wish.data_parallel > 1:
        command += ["--data-parallel-size", str(wish.data_parallel)]
    if adapters:
        command += ["--enable-lora", "--max-lora-rank", str(rank), "--lora-modules", *adapters]
        command += ["--max-loras", str(len(adapters))]
    return Plan("vLLM", (*command, *wish.flags), port, (name, *wish.adapters))


def _vllm_start(python: str | None, weights: str) -> list[str]:
    """Start vLLM by another Python if named, else by this one, else the ``vllm`` on the path."""
    if python is not None and shutil.which(python) is None:
        raise UsageError(f"--vllm-python {python} is no program that can be run")
    if python is None and importlib.util.find_spec("vllm") is not None:
        python = sys.executable
    if python is not None:
        return [python, "-m", "vllm.entrypoints.openai.api_server", "--model", weights]
    script = shutil.which("vllm")
    if script is None:
        raise UsageError(
            f"vLLM is not installed, and {weights} needs it: pip install 'reason[vllm]' on a "
            "machine with a GPU, name another environment's Python by --vllm-python, or serve a "
            ".gguf file"
        )
    return [script, "serve", weights]


def read_adapters(texts: Sequence[str]) -> dict[str, Path]:
    """``NAME=DIR`` flags, read. Raises UsageError."""
    adapters: dict[str, Path] = {}
    for text in texts:
        name, _, folder = text.partition("=")
        if not re.fullmatch(r"[\w.-]+", name) or not folder:
            raise UsageError(f"--adapter {text!r}: write NAME=DIR")
        if name in adapters:
            raise UsageError(f"--adapter {name} is given twice")
        adapters[name] = Path(folder).expanduser()
        _rank(adapters[name])
    return adapters


def _rank(folder: Path) -> int:
    """The least rank vLLM can make room for that holds an adapter's."""
    file = folder / "adapter_config.json"
    try:
        rank = json.loads(file.read_text(encoding="utf-8"))["r"]
        return next(room for room in RANKS if rank <= room)
    except OSError as error:
        raise UsageError(f"cannot read the adapter {file}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, StopIteration):
        raise UsageError(f"{file} names no rank up to {RANKS[-1]}: is it a LoRA adapter?") from None


def free_port(port: int) -> int:
    """``port`` if it is free, any free one for 0. Raises UsageError."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            said = "is in use" if taken else f"cannot be used ({error.strerror})"
            raise UsageError(
                f"port {port} {said}: give another --port; 0 takes any free one"
            ) from None
        return int(probe.getsockname()[1])
