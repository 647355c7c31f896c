"""A process to be killed: takes the lease of a run and appends steps until the given one.

    python -m tests.runs.child DIRECTORY UNTIL BATCH [FILE_SIZE_LIMIT]

Says ``ready`` once it holds the lease and has opened the journal. With a limit on the size of files
it prints the error that it meets, and its class.
"""

import resource
import sys
from pathlib import Path

from reason.errors import ReasonError
from runs.store import open_run
from tests.runs.material import GENESIS, write


def main(directory: str, until: str, batch: str, limit: str = "") -> None:
    run = open_run(Path(directory))
    with run.lease(), run.journal(GENESIS) as journal:
        print("ready", flush=True)
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
        try:
            write(journal, int(until), int(batch))
        except ReasonError as error:
            print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
