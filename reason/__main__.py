"""``python -m reason``."""

from reason.cli import main

main()
