"""A language model in this process: llama.cpp through ``xllamacpp``.

llama.cpp's server runs as a thread inside the process and is called without HTTP. A call blocks,
so calls wait in a pool of their own; ``n`` votes of one temperature go in as one request, which
reads the prompt once. Sampling is plain: no top-k, top-p, min-p or penalties, so that a temperature
means what it says.
"""

import asyncio
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from engines.base import Request, Sample, by_temperature
from engines.concurrency import together
from engines.gguf import MICRO_BYTES, check_gguf
from engines.options import EngineOptions
from engines.protocol import body, read_samples
from reason.errors import EngineError, TransientEngineError

SLOTS = 33  # measured best on two cores: more slots batch more votes into one pass
CALLERS = 32
MICRO_CONTEXT = 512
CONTEXT = 4096
LARGE_SLOTS = 4

PLAIN = {
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repeat_penalty": 1.0,
    "cache_prompt": False,
}


class EmbeddedModel:
    """A GGUF model served in this process; loading takes place here.

    Raises UsageError for a file that cannot be a model, EngineError when llama.cpp refuses it.
    """

    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(self, spec: str, path: Path, options: EngineOptions) -> None:
        check_gguf(path)
        self.spec, self.model = spec, path.stem
        micro = path.stat().st_size < MICRO_BYTES
        self._slots = SLOTS if micro else LARGE_SLOTS
        self._server = _load(path, self._slots, micro, options.threads)
        self._pool = ThreadPoolExecutor(CALLERS, thread_name_prefix="llama.cpp")
        self._closed = threading.Event()

    async def sample(self, request: Request) -> list[Sample]:
        """Draw the samples; see :class:`engines.base.Engine`."""
        groups = [
            (temperature, min(self._slots, n - at))
            for temperature, n in by_temperature(request.temperatures)
            for at in range(0, n, self._slots)
        ]
        if len(groups) == 1:
            return await self._group(request, *groups[0])
        drawn = await together(self._group(request, t, n) for t, n in groups)
        return [sample for samples in drawn for sample in samples]

    async def _group(self, request: Request, temperature: float, n: int) -> list[Sample]:
        fields = {**body(self.model, request, temperature, n), **PLAIN}
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(self._pool, self._call, fields)
        try:
            samples = read_samples(data, n, self.model)
        except TransientEngineError as error:
            raise EngineError(f"{self.spec}: {error}") from None
        if len(samples) < n:
            raise EngineError(f"{self.spec} gave {len(samples)} answers of {n}")
        return _counted(samples, data)

    def _call(self, fields: dict[str, Any]) -> object:
        """One blocking call; a refusal by llama.cpp is an EngineError in its own words."""
        if self._closed.is_set():
            raise EngineError(f"{self.spec} is closed")
        parts: list[Any] = []
        handle = (
            self._server.handle_completions
            if "prompt" in fields
            else self._server.handle_chat_completions
        )
        handle(fields, parts.append)
        data = parts[0] if parts else None
        if isinstance(data, str | bytes):
            data = json.loads(data)
        if isinstance(data, dict) and "choices" not in data:
            inner = data.get("error", data)
            said = inner.get("message", inner) if isinstance(inner, dict) else inner
            raise EngineError(f"{self.spec}: {said}")
        return data

    async def close(self) -> None:
        """Let calls under way finish, then free the model."""
        if self._closed.is_set():
            return
        self._closed.set()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        del self._server


def _counted(samples: list[Sample], data: object) -> list[Sample]:
    """Completion tokens of each sample: llama.cpp reports those of the first alone.

    Equal texts have equal counts; that of another text is estimated by its length.
    """
    usage = data.get("usage") if isinstance(data, dict) else None
    if len(samples) == 1 or not isinstance(usage, dict):
        return samples
    first, length = usage.get("completion_tokens", 0), len(samples[0].text) or 1
    return [
        sample._replace(completion_tokens=max(1, round(first * len(sample.text) / length)))
        for sample in samples
    ]


def _cores() -> int:
    """Cores that this process may use: fewer than the machine has under taskset or in a cpuset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load(path: Path, slots: int, micro: bool, threads: int | None) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = slots
    params.n_ctx = slots * (MICRO_CONTEXT if micro else CONTEXT)
    params.cpuparams.n_threads = threads or _cores()
    params.verbosity = -1
    params.kv_unified = False
    # By default the server keeps old prompts in memory, up to 8 GiB, and searches them on every
    # request: a long run grew by 15 kB a vote and slowed to a third. No prompt comes back here.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.n_ctx_checkpoints = 0
    params.port = 0
    try:
        with _silent():
            server = xllamacpp.Server(params)
            # A server that is freed before its queue has started waits for it for ever: one answer
            # proves that it has.
            server.handle_completions({"prompt": "0", "max_tokens": 1}, _ignore)
            return server
    except Exception as error:
        raise EngineError(f"llama.cpp cannot load {path}: {error}") from None


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
