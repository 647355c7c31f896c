"""llama.cpp's own HTTP server as a process: what ``reason engine up`` starts for a GGUF file.

    python -m engines.llamacpp_server FILE --port PORT [--threads N] [--slots N] [--context N]

It serves until it is told to stop. It holds nothing worth saving, so any signal may end it.
"""

import argparse
import sys
import threading
from pathlib import Path

from engines.llamacpp import load_server
from reason.errors import EngineError


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def main() -> None:
    """Load the model and serve it."""
    parser = argparse.ArgumentParser(prog="llama.cpp", allow_abbrev=False, usage="%(prog)s FLAGS")
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=_count)
    parser.add_argument("--slots", type=_count)
    parser.add_argument("--context", type=_count)
    given = parser.parse_args()
    try:
        server = load_server(given.file, given.threads, given.slots, given.context, given.port)
    except EngineError as error:
        sys.exit(str(error))
    print(f"listening on {server.listening_address}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
