"""A small picture of the pegs for a terminal."""

from tasks.hanoi.rules import Pegs

MAX_DRAWN = 10


def draw(pegs: Pegs, disks: int) -> str:
    """Three pegs side by side, or an empty text for more than ten disks."""
    if disks > MAX_DRAWN:
        return ""
    rows = [
        "  ".join(_level(peg[level] if level < len(peg) else 0, disks) for peg in pegs)
        for level in range(disks - 1, -1, -1)
    ]
    return "\n".join([*rows, "  ".join("─" * (2 * disks + 1) for _ in pegs)])


def _level(disk: int, disks: int) -> str:
    body = "█" * (2 * disk + 1) if disk else "│"
    return body.center(2 * disks + 1)
