"""``reason task``: which tasks there are, and how to begin one of your own."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from reason.commands.common import print_json, stderr, stdout
from reason.commands.tasks import about
from reason.errors import UsageError
from tasks.catalog import BUILT_IN, package_of, parameters_of, task_names
from tasks.scaffold import write_package

app = typer.Typer(help="Tasks: those there are, and one of your own.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every task, built in or from an installed package, broken ones included."""
    rows = [_row(name) for name in task_names()]
    if as_json:
        print_json({"tasks": rows})
        return
    table = Table("task", "from", "about", "options", box=None)
    for row in rows:
        text = Text(row["error"], style="red") if row["error"] else row["about"]
        table.add_row(row["name"], row["source"], text, " ".join(row["options"]))
    stdout().print(table)


def _row(name: str) -> dict[str, Any]:
    row = {"name": name, "source": _source(name), "about": "", "options": [], "error": ""}
    try:
        options = [f"--{taken.name.replace('_', '-')}" for taken in parameters_of(name)]
        return {**row, "about": about(name), "options": options}
    except UsageError as error:
        return {**row, "error": str(error)}


def _source(name: str) -> str:
    return "built in" if name in BUILT_IN else package_of(name)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Of the task: lower-case words joined by -.")],
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Folder to write. By default reason-NAME.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a package with a task that runs at once, to make your own from."""
    target, files = write_package(name, folder)
    if as_json:
        print_json({"dir": str(target), "files": files})
        return
    for file in files:
        stdout().print(str(target / file), highlight=False, soft_wrap=True)
    way_on = f"pip install -e {target} && reason solve {name} --model sim:error=0.05"
    stderr.print(f"next: {way_on}", highlight=False, soft_wrap=True)
