"""The journal's tables and the statements of its hot path.

Totals are one row, kept up to date in the transaction of the steps they count. Samples have a table
of their own, the only one that may be emptied. The meta table says which format, problem and run a
file belongs to.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from runs.killpoints import reach

FORMAT = "1"

MENDS = {
    "format": "open it with the version of reason that made it",
    "run_id": "it was taken from another run, put this run's journal back",
    "genesis": "it records another problem than run.json names, restore the two together",
}

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE steps (
    step INTEGER PRIMARY KEY, action TEXT NOT NULL, state TEXT NOT NULL, hash BLOB NOT NULL,
    votes INTEGER NOT NULL, flagged INTEGER NOT NULL, rounds INTEGER NOT NULL, tally TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, surplus INTEGER NOT NULL
);
CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1), steps INTEGER NOT NULL, votes INTEGER NOT NULL,
    flagged INTEGER NOT NULL, surplus INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, collisions INTEGER NOT NULL
);
CREATE TABLE usage (
    model TEXT PRIMARY KEY, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    samples INTEGER NOT NULL, cost_usd REAL
) WITHOUT ROWID;
CREATE TABLE samples (
    step INTEGER NOT NULL, draw INTEGER NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL,
    flag TEXT NOT NULL, model TEXT NOT NULL
);
CREATE INDEX samples_by_step ON samples (step, draw);
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0, 0.0, 0);
"""

HEAD = "SELECT step, action, state, hash FROM steps ORDER BY step DESC LIMIT 1"

SUMS = """SELECT count(*), coalesce(sum(votes), 0), coalesce(sum(flagged), 0),
    coalesce(max(votes + flagged), 0) FROM steps WHERE step BETWEEN ? AND ?"""

HARDEST = """SELECT step, action, state, votes, flagged, rounds, tally, prompt_tokens,
    completion_tokens, surplus FROM steps ORDER BY votes + flagged DESC, step LIMIT ?"""

INSERT_STEP = "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

INSERT_SAMPLE = "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?)"

ADD_TOTALS = """UPDATE totals SET steps = steps + ?, votes = votes + ?, flagged = flagged + ?,
    surplus = surplus + ?, prompt_tokens = prompt_tokens + ?,
    completion_tokens = completion_tokens + ?, seconds = seconds + ?, collisions = collisions + ?"""

# A NULL cost is unknown, and unknown it stays: NULL plus anything is NULL.
ADD_USAGE = """INSERT INTO usage VALUES (?, ?, ?, ?, ?) ON CONFLICT (model) DO UPDATE SET
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens,
    samples = samples + excluded.samples, cost_usd = cost_usd + excluded.cost_usd"""


def create(path: Path, meta: dict[str, str]) -> None:
    """Make a journal's file, tables and all, under another name, then give it its own.

    Whenever the maker dies, there is a whole journal or none. Raises sqlite3.Error or OSError.
    """
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as db:
        db.executescript(f"BEGIN IMMEDIATE;{SCHEMA}")
        db.executemany("INSERT INTO meta VALUES (?, ?)", {**meta, "format": FORMAT}.items())
        reach("inside-create")
        db.execute("COMMIT")
    reach("before-rename")
    unfinished.replace(path)
