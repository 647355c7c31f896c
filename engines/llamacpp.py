"""Loading a GGUF file into llama.cpp's server, which answers in the process and over HTTP.

A micro model gets one thread, short contexts and many slots, any other model all cores and four
slots of 4,096 tokens. Threads wait for each other after every layer, and by default spin while they
do. Where another program has one of the cores, the spinning takes the time of the thread that is
waited for: measured on two cores, a micro model slowed down 13 times, SmolLM2 12 times. One thread
costs a micro model nothing, and a short spin costs no more than a few percent elsewhere.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from engines.gguf import MICRO_BYTES
from reason.errors import EngineError

SLOTS = 33  # measured best on two cores: more slots batch more votes into one pass
MICRO_CONTEXT = 512
CONTEXT = 4096
LARGE_SLOTS = 4
SPINS = "2000"  # turns of a waiting thread before it sleeps


def is_micro(path: Path) -> bool:
    """Whether a file is so small that it can only be a micro model."""
    return path.stat().st_size < MICRO_BYTES


def slots_for(path: Path) -> int:
    """Samples that are drawn side by side, unless told otherwise."""
    return SLOTS if is_micro(path) else LARGE_SLOTS


def threads_for(path: Path) -> int:
    """CPU threads of a model, unless told otherwise: ``OMP_NUM_THREADS`` is heeded as anywhere."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told):
        return int(told)
    return 1 if is_micro(path) else _cores()


def load_server(
    path: Path,
    threads: int | None = None,
    slots: int | None = None,
    context: int | None = None,
    port: int = 0,
) -> Any:
    """llama.cpp's server with a model loaded, listening on loopback.

    Args:
        path: the GGUF file.
        threads: CPU threads; see :func:`threads_for`.
        slots: samples drawn side by side.
        context: tokens of each of them.
        port: where to listen; 0 takes a free port.

    Raises EngineError when llama.cpp refuses the model or the port.
    """
    xllamacpp = _library()
    slots = slots or slots_for(path)
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = str(path), {path.stem}
    params.n_parallel = slots
    params.n_ctx = slots * (context or (MICRO_CONTEXT if is_micro(path) else CONTEXT))
    params.cpuparams.n_threads = threads or threads_for(path)
    params.verbosity = -1
    params.kv_unified = False
    # By default the server keeps old prompts in memory, up to 8 GiB, and searches them on every
    # request: a long run grew by 15 kB a vote and slowed to a third. No prompt comes back here.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.n_ctx_checkpoints = 0
    # Plain sampling for requests that do not say: a temperature means what it says.
    params.sampling.top_k, params.sampling.top_p, params.sampling.min_p = 0, 1.0, 0.0
    params.port = port
    try:
        with _silent():
            server = xllamacpp.Server(params)
            # A server that is freed before its queue has started waits for it for ever: one answer
            # proves that it has.
            server.handle_completions({"prompt": "0", "max_tokens": 1}, _ignore)
            return server
    except Exception as error:
        raise EngineError(f"llama.cpp cannot load {path}: {error}") from None


def _library() -> Any:
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when the library is loaded
    try:
        import xllamacpp
    except ImportError as error:  # slim images lack the OpenMP library
        raise EngineError(
            f"llama.cpp cannot be loaded: {error}; install what is named, such as libgomp1"
        ) from None
    return xllamacpp


def _cores() -> int:
    """Cores that this process may use: fewer than the machine has under taskset or in a cpuset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ignore(_: object) -> None:
    """Take an answer that nobody needs."""


class _silent:
    """Send what C code prints on stderr while loading to nowhere."""

    def __enter__(self) -> None:
        self._saved = os.dup(2)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            os.dup2(self._saved, 2)
        os.close(self._saved)
