"""A package with a task of one's own, ready to be installed and run.

The package is written from the template files beside this module. Its task is a small but complete
example, so that its author changes something that works.
"""

from pathlib import Path
from string import Template
from typing import NamedTuple

from reason.errors import UsageError
from tasks.catalog import NAME, TAKEN, task_names

HERE = Path(__file__).parent


class Names(NamedTuple):
    """What a new task is called, and where."""

    name: str
    package: str
    module: str
    class_name: str

    @classmethod
    def of(cls, name: str) -> "Names":
        """The names that follow from a task's. Raises UsageError for one that cannot be used."""
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name a task: use lower-case words joined by -")
        if name in TAKEN or name in task_names():
            raise UsageError(f"there is a task or command {name!r} already: choose another name")
        words = name.split("-")
        camel = "".join(map(str.capitalize, words))
        return cls(name, f"reason-{name}", f"reason_{'_'.join(words)}", f"{camel}Task")


def write_package(name: str, folder: Path | None) -> tuple[Path, list[str]]:
    """Write the package of a task into ``folder``; returns it and the files in it.

    Raises UsageError for a bad name and for a folder that is not empty or cannot be written.
    """
    names = Names.of(name)
    target = folder or Path(names.package)
    files = {
        "pyproject.toml": "pyproject.toml.tmpl",
        "README.md": "README.md.tmpl",
        f"{names.module}.py": "task.py.tmpl",
        f"tests/test_{names.module}.py": "test_task.py.tmpl",
    }
    try:
        if target.exists() and any(target.iterdir()):
            raise UsageError(f"{target} is not empty: name another folder with --dir")
        for path, template in files.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            text = Template((HERE / template).read_text(encoding="utf-8"))
            (target / path).write_text(text.substitute(names._asdict()), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from None
    return target, list(files)
