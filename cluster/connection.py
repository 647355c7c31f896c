"""Joining a Ray cluster, or starting one on this machine, without Ray's own chatter.

``RAY_ADDRESS`` names the cluster; without it the one that runs on this machine is joined, and
without that one is started for as long as it is used. Ray is one to a process, so users of it are
counted: the last one to leave disconnects. A connection that the program made itself is used and
left as it is.
"""

import importlib.util
import logging
import os
import signal
import socket
import threading
import warnings
from typing import Any

from reason.errors import EngineError, UsageError

KNOCK_SECONDS = 10.0

_lock = threading.Lock()
_users = 0
_foreign = False

# Ray gives its workers the lowest priority but four, for they might starve a desktop; here they are
# what everybody waits for.
ENVIRONMENT = {
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_enable_metrics_collection": "0",
}


def need_ray() -> None:
    """Raise UsageError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--engine-cluster ray needs the ray extra: pip install 'reason[ray]'")


def ray_module() -> Any:
    """Ray, imported when it is needed and no earlier; its import may warn of others' sins."""
    need_ray()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

    return ray


def join() -> None:
    """Be connected until :func:`leave`. Raises UsageError, EngineError."""
    global _users, _foreign
    ray = ray_module()
    with _lock:
        if _users == 0:
            _foreign = ray.is_initialized()
            if not _foreign:
                _connect(ray)
        _users += 1


def keep_sigterm() -> None:
    """Undo what joining did to SIGTERM: Ray's own handler prints a stack to the terminal.

    Python sets the handler that it knows of anew, which only its main thread can do.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        signal.siginterrupt(signal.SIGTERM, False)


def leave() -> None:
    """Be done with the connection; the last user ends it."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0 and not _foreign:
            ray_module().shutdown()


def _connect(ray: Any) -> None:
    address = os.environ.get("RAY_ADDRESS", "")
    named = address not in ("", "auto", "local")
    if named:
        _knock(address)
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(address=address or "auto", **quiet)
        except Exception as error:
            if named:
                raise EngineError(
                    f"cannot join the Ray cluster at {address}: {_said(error)}"
                ) from None
            _start(ray, quiet)


def _knock(address: str) -> None:
    """Raise where nobody listens at an address: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"RAY_ADDRESS must be HOST:PORT of the cluster's head, not {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except OSError as error:
        raise EngineError(f"no Ray cluster answers at RAY_ADDRESS={address}: {error}") from None


def _start(ray: Any, quiet: dict[str, Any]) -> None:
    try:
        ray.init(address="local", include_dashboard=False, **quiet)
    except Exception as error:
        raise EngineError(
            f"no Ray cluster can be started on this machine: {_said(error)}"
        ) from None


def _said(error: Exception) -> str:
    """The beginning of what may be pages."""
    return " ".join(str(error).split())[:300]
