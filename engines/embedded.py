"""A language model in this process: llama.cpp through ``xllamacpp``.

llama.cpp's server runs as a thread inside the process and is called without HTTP. A call blocks,
so calls wait in a pool of their own; ``n`` votes of one temperature go in as one request, which
reads the prompt once. Sampling is plain: no top-k, top-p, min-p or penalties, so that a temperature
means what it says.
"""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engines.base import Request, Sample, by_temperature
from engines.concurrency import together
from engines.gguf import check_gguf
from engines.llamacpp import load_server, slots_for
from engines.options import EngineOptions
from engines.protocol import body, read_samples, structured
from reason.errors import EngineError, TransientEngineError

CALLERS = 32

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
        self._slots = slots_for(path)
        self._server = load_server(path, options.threads)
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
        if request.form is not None:
            fields = structured(fields, request.form)
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
