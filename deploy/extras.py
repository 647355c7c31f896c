"""``extras.py PYPROJECT EXTRA...``: the requirements of a project and its extras, one a line."""

import sys
import tomllib
from pathlib import Path


def main() -> None:
    """Print them; an extra that does not exist is an error."""
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    print(*project["dependencies"], sep="\n")
    for extra in sys.argv[2:]:
        print(*project["optional-dependencies"][extra], sep="\n")


if __name__ == "__main__":
    main()
