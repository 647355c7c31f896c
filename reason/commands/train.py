"""``reason train``: make models; needs the ``train`` extra."""

import typer

from reason.commands.decomposer import export, rl, sft
from reason.commands.decomposer_data import data
from reason.commands.micro import app as micro
from reason.commands.micro_rl import app as micro_rl
from reason.commands.nano import nano

app = typer.Typer(help="Train models.", no_args_is_help=True)
app.command()(data)
app.command()(sft)
app.command()(rl)
app.command()(export)
app.command()(nano)
app.add_typer(micro, name="micro")
app.add_typer(micro_rl, name="micro-rl")


@app.callback()
def group() -> None:
    """Training runs resume from their checkpoints when the same command is given again."""
