"""A real Ray cluster of two nodes on this machine, whose second node can be killed outright.

It lives in a process of its own (this module, run), which tells its address and the second node's
raylet, and makes a new second node whenever it is sent a line.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.connection import ray_module

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000}


class TwoNodes:
    """See the module's text.

    Attributes:
        env: what a command needs to find the cluster.
    """

    def __init__(self, host: "subprocess.Popen[str]") -> None:
        self._host = host
        self.env: dict[str, str] = {}
        self._listen()

    def _listen(self) -> None:
        assert self._host.stdout is not None
        while not (line := self._host.stdout.readline()).startswith("TWO NODES "):
            assert line, "the cluster did not start"
        _, _, address, raylet = line.split()
        self.env = {"RAY_ADDRESS": address}
        self._raylet = int(raylet)

    def actors(self) -> list[int]:
        """Processes of actors on the second node."""
        return [pid for pid in _children(self._raylet) if b"ray::Actor" in _command(pid)]

    def kill_second(self) -> None:
        """SIGKILL to every process of the second node."""
        for pid in [self._raylet, *_children(self._raylet)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def replace_second(self) -> None:
        """A new second node in the killed one's place."""
        assert self._host.stdin is not None
        self._host.stdin.write("\n")
        self._host.stdin.flush()
        self._listen()


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """The cluster, while it is used."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.two_nodes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as host:
        try:
            yield TwoNodes(host)
        finally:
            assert host.stdin is not None
            host.stdin.close()  # its input ends, and so does it
            host.wait(timeout=60)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def host() -> None:
    """Keep the cluster up until the input ends."""
    ray_module()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        second = cluster.add_node(**NODE)
        _tell(cluster, second)
        for _ in sys.stdin:
            second.kill_all_processes(check_alive=False, allow_graceful=False)
            cluster.worker_nodes.remove(second)
            second = cluster.add_node(**NODE)
            cluster.wait_for_nodes()  # until the killed one is known to be dead as well
            _tell(cluster, second)
    finally:
        cluster.shutdown()


def _tell(cluster: Any, node: Any) -> None:
    (raylet,) = node.all_processes["raylet"]
    print("TWO NODES", cluster.address, raylet.process.pid, flush=True)


if __name__ == "__main__":
    host()
