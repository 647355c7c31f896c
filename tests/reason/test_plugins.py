"""Plug-in tasks: one from the scaffold, installed for real, and broken ones of every kind."""

import os
import re
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

from reason.commands.solve import QuestionOrTask
from reason.commands.tasks import work_of
from reason.errors import UsageError
from tasks.catalog import plug_ins
from tasks.scaffold import write_package
from tests.reason.command import reason


def seen(*folders: Path) -> dict[str, str]:
    """The environment of a command that finds packages in these folders too."""
    return {"PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], *map(str, folders)])}


@pytest.fixture(scope="module", autouse=True)
def _importable() -> None:
    """Children run elsewhere: they must find this very checkout."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package as ``reason task new`` writes it."""
    folder = tmp_path_factory.mktemp("own") / "package"
    done = reason("task", "new", "count-up", "--dir", str(folder), "--json")
    assert done.code == 0
    assert sorted(done.data["files"]) == sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )
    return folder


@pytest.fixture(scope="module")
def installed(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, installed by pip into a folder of its own."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    here = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*pip, *here, str(written)], check=True, capture_output=True)
    return target


def test_a_new_task_runs_at_once_and_is_verified(installed: Path) -> None:
    env = seen(installed)
    done = reason("solve", "count-up", "--model", "sim:error=0.05", "--json", env=env)
    assert (done.code, done.data["verified"], done.data["result"]) == (0, True, "140")
    assert reason("runs", "verify", done.data["run_id"], env=env).code == 0
    gone = reason("runs", "verify", done.data["run_id"])
    assert gone.code == 2
    assert "package of a plug-in missing" in gone.complaint


def test_its_parameters_are_options(installed: Path) -> None:
    arguments = ["--start", "5", "--by", "-2", "-n", "9", "--model", "sim", "--json"]
    done = reason("solve", "count-up", *arguments, env=seen(installed))
    assert (done.data["steps"], done.data["result"]) == (9, "-13")
    refused = reason("solve", "count-up", "-n", "0", "-m", "sim", env=seen(installed))
    assert (refused.code, "--times" in refused.complaint) == (2, True)


def test_its_own_test_passes(written: Path, installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(written)],
        env={**os.environ, **seen(installed)},
        cwd=written,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_an_estimate_and_the_list_know_it(installed: Path) -> None:
    env = seen(installed)
    model = ["-m", "sim:error=0.1", "--samples", "200", "--json"]
    assert reason("estimate", "count-up", *model, env=env).data["steps"] == 20
    rows = {row["name"]: row for row in reason("task", "list", "--json", env=env).data["tasks"]}
    assert rows["count-up"]["source"] == "reason-count-up 0.1.0"
    assert rows["count-up"]["options"] == ["--start", "--by", "--times"]
    assert rows["hanoi"]["source"] == "built in"


@pytest.mark.parametrize("name", ["hanoi", "qa", "Count", "a_b", "../count", "-c", "7up", ""])
def test_names_that_cannot_be_used_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        write_package(name, None)
    assert not any(Path().iterdir())


def test_a_folder_in_use_is_left_alone() -> None:
    Path("mine").mkdir()
    Path("mine/file").write_text("mine")
    done = reason("task", "new", "count-up", "--dir", "mine")
    assert (done.code, "not empty" in done.complaint) == (2, True)
    assert [path.name for path in Path("mine").iterdir()] == ["file"]


FAULTY = """\
from typing import Annotated
from tasks.base import Parameter
from tasks.arithmetic.task import Arithmetic

class Halves:
    "A class that is no task. [/oops]"
    def __init__(self) -> None: ...

class Taken(Arithmetic):
    def __init__(self, k: int = 3) -> None: ...

class Short(Arithmetic):
    def __init__(self, many: Annotated[int, Parameter("So many.", "-m")] = 3) -> None: ...

class Strange(Arithmetic):
    def __init__(self, shape: dict[str, bytes] = {}) -> None: ...

class Refusing(Arithmetic):
    def __init__(self, size: int = 3) -> None:
        raise ValueError("size must be even")

class Unwritable(Arithmetic):
    def __init__(self) -> None:
        super().__init__(length=3)
    parameters = {"length": {3}}

class Fragile(Arithmetic):
    def __init__(self, length: int = 9) -> None:
        super().__init__(length=length)
        self.parameters_ = {"length": length}
    @property
    def parameters(self): return self.parameters_
    def parse(self, text):
        value = super().parse(text)
        return {}[value] if FAULT and len(self.chain) == 9 and "=" in text else value
FAULT = True
"""
FAULTS = {
    "absent": ("no_such_module:Task", "No module named 'no_such_module'"),
    "nameless": ("faulty:Nothing", "has no attribute 'Nothing'"),
    "no-class": ("faulty:FAULTY", "is not a callable object"),
    "exits": ("exits:Task", "SystemExit"),
    "Bad Name": ("faulty:Fragile", "lower-case words"),
    "qa": ("faulty:Fragile", "not a taken one"),
    "taken": ("faulty:Taken", "has a parameter 'k'"),
    "short": ("faulty:Short", "has a parameter '-m'"),
    "strange": ("faulty:Strange", "of a type that no option can have"),
}
MADE = {"halves": "it lacks advance", "refusing": "size must be even", "unwritable": "no JSON"}


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """A folder with an installed package of broken tasks."""
    folder = tmp_path / "faulty"
    info = folder / "faulty-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "faulty.py").write_text(FAULTY + "FAULTY = 3\n")
    (folder / "exits.py").write_text("raise SystemExit(3)\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    more = [*MADE, "fragile"]
    lines = [f"{name} = {target}" for name, (target, _) in FAULTS.items()]
    lines += [f"{name} = faulty:{name.capitalize()}" for name in more]
    (info / "entry_points.txt").write_text("\n".join(["[reason.tasks]", *lines]))
    return folder


def test_broken_plug_ins_break_no_other_command(faulty: Path) -> None:
    env = seen(faulty)
    assert reason("solve", "hanoi", "-n", "3", "-m", "sim", "--quiet", env=env).code == 0
    assert reason("solve", "--help", env=env).out.count("BROKEN") >= len(FAULTS) - 1
    rows = {row["name"]: row for row in reason("task", "list", "--json", env=env).data["tasks"]}
    for name, (_, words) in FAULTS.items():
        if name not in ("taken", "short", "strange"):  # they load; their commands cannot be made
            assert words in rows[name]["error"]
            assert "faulty 1.0" in rows[name]["error"]
    assert not rows["hanoi"]["error"]


def test_a_broken_plug_in_is_one_line_where_it_is_used(faulty: Path) -> None:
    done = reason("solve", "absent", "--model", "sim", env=seen(faulty))
    assert done.code == 2
    assert FAULTS["absent"][1] in done.complaint


def use(name: str) -> None:
    """What ``solve NAME`` does without an option."""
    work = work_of(name, QuestionOrTask.form)
    work(**dict.fromkeys(signature(work).parameters))


@pytest.mark.parametrize(
    ("name", "words"), [*((name, words) for name, (_, words) in FAULTS.items()), *MADE.items()]
)
def test_every_kind_of_broken_plug_in_is_told_apart(
    faulty: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(faulty)
    for module in ("faulty", "exits"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    plug_ins.cache_clear()
    try:
        with pytest.raises(UsageError, match=re.escape(words)):
            use(name)
    finally:
        plug_ins.cache_clear()


def test_a_fault_while_solving_stops_the_run_until_it_is_mended(faulty: Path) -> None:
    env = seen(faulty)
    done = reason("solve", "fragile", "-m", "sim", "--run-dir", "run", "--json", env=env)
    assert (done.code, done.data["status"]) == (4, "engine_error")
    assert "failed in a variant's parse: KeyError" in done.err
    assert "(faulty.py, line" in done.err
    assert "Traceback" not in done.err
    (faulty / "faulty.py").write_text(FAULTY.replace("FAULT = True", "FAULT = False"))
    assert reason("runs", "resume", "run", "--quiet", env=env).code == 0


def test_two_packages_cannot_share_a_name(faulty: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "rival-2.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 2.0\n")
    (other / "entry_points.txt").write_text(
        "[reason.tasks]\nfragile = faulty:Fragile\nhanoi = faulty:Fragile\n"
    )
    env = seen(faulty, other.parent)
    done = reason("solve", "fragile", "-m", "sim", env=env)
    assert done.code == 2
    assert "more than one package declares it" in done.complaint
    assert "rival 2.0" in done.complaint
    assert reason("solve", "hanoi", "-n", "3", "-m", "sim", "--quiet", env=env).code == 0
