"""``reason config``: the settings in force and where each came from."""

from typing import Annotated

import typer
from rich.table import Table

from reason.commands.common import print_json, stdout
from reason.settings import load_settings, origins

app = typer.Typer(help="Settings and their origins.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Settings come from flags, REASON_* variables, reason.toml and defaults, in this order."""


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Print every setting, its value and its origin."""
    rows = origins(load_settings())
    if as_json:
        data = {row.name: {"value": _plain(row.value), "origin": row.source} for row in rows}
        print_json(data)
        return
    table = Table("setting", "value", "origin", box=None)
    for row in rows:
        table.add_row(row.name, str(row.value), row.source)
    stdout().print(table)


def _plain(value: object) -> object:
    return value if isinstance(value, (int, float, list, str, type(None))) else str(value)
