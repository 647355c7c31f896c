"""A stand-in for vLLM's start and end, in no way for its answers: it lists models, and can crash.

Run like vLLM's API server. ``FAKE_DIES_AFTER`` seconds of serving it exits with code 3;
``FAKE_LOG`` is a file that gets a line for each start, with the arguments.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


def _option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        names = [_option("--served-model-name")]
        body = json.dumps({"data": [{"id": name, "owned_by": "fake"} for name in names]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    child = subprocess.Popen(["sleep", "300"])
    with Path(os.environ["FAKE_LOG"]).open("a", encoding="utf-8") as log:
        log.write(json.dumps({"argv": sys.argv[1:], "pid": os.getpid(), "child": child.pid}) + "\n")
    if "--refuse" in sys.argv:
        print("loading\nValueError: no such architecture", flush=True)
        sys.exit(1)
    server = HTTPServer((_option("--host"), int(_option("--port"))), _Handler)
    if life := os.environ.get("FAKE_DIES_AFTER"):
        threading.Timer(float(life), os._exit, [3]).start()
    print("x" * 200_000, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
