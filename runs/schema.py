"""The journal's tables and the statements of its hot path.

Totals are one row, kept up to date in the transaction of the steps they count. Samples have a table
of their own, the only one that may be emptied. The meta table says which format, problem and run a
file belongs to.
"""

import sqlite3

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


def is_empty(db: sqlite3.Connection) -> bool:
    """Whether the file holds no tables: it is new, or its maker died at once."""
    count: int = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return count == 0


def lay_tables(db: sqlite3.Connection, meta: dict[str, str]) -> None:
    """Make the tables in one transaction: after a crash there is a whole journal or none."""
    db.executescript(f"BEGIN IMMEDIATE;{SCHEMA}")
    db.executemany("INSERT INTO meta VALUES (?, ?)", {**meta, "format": FORMAT}.items())
    reach("inside-create")
    db.execute("COMMIT")
