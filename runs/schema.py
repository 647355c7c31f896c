"""The journal's tables and statements.

Totals are one row, kept up to date in the transaction of the steps they count. Samples have a table
of their own, the only one that may be emptied. The meta table says which format, problem and run a
journal belongs to. The statements are the same for SQLite and PostgreSQL; the tables differ in
their types, and in that PostgreSQL has a *fence*: the count of commits, which a writer must know to
write, and the last writer's mark (:mod:`runs.postgres`).
"""

FORMAT = "1"

MENDS = {
    "format": "open it with the version of reason that made it",
    "run_id": "it was taken from another run, put this run's journal back",
    "genesis": "it records another problem than run.json names, restore the two together",
}

SQLITE = """
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

POSTGRES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE steps (
    step BIGINT PRIMARY KEY, action TEXT NOT NULL, state TEXT NOT NULL, hash BYTEA NOT NULL,
    votes INTEGER NOT NULL, flagged INTEGER NOT NULL, rounds INTEGER NOT NULL, tally TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, surplus INTEGER NOT NULL
);
CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1), steps BIGINT NOT NULL, votes BIGINT NOT NULL,
    flagged BIGINT NOT NULL, surplus BIGINT NOT NULL, prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL, seconds DOUBLE PRECISION NOT NULL, collisions BIGINT NOT NULL
);
CREATE TABLE usage (
    model TEXT PRIMARY KEY, prompt_tokens BIGINT NOT NULL, completion_tokens BIGINT NOT NULL,
    samples BIGINT NOT NULL, cost_usd DOUBLE PRECISION
);
CREATE TABLE samples (
    step BIGINT NOT NULL, draw INTEGER NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL,
    flag TEXT NOT NULL, model TEXT NOT NULL
);
CREATE INDEX samples_by_step ON samples (step, draw);
CREATE TABLE fence (commits BIGINT NOT NULL, writer TEXT NOT NULL);
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0, 0.0, 0);
INSERT INTO fence VALUES (0, '');
"""

HEAD = "SELECT step, action, state, hash FROM steps ORDER BY step DESC LIMIT 1"

ROWS = "SELECT * FROM steps WHERE step BETWEEN ? AND ? ORDER BY step"

SAMPLES = "SELECT * FROM samples WHERE step = ? ORDER BY draw"

USAGE = "SELECT * FROM usage ORDER BY model"

META = "SELECT value FROM meta WHERE key = ?"

SUMS = """SELECT count(*), coalesce(sum(votes), 0), coalesce(sum(flagged), 0),
    coalesce(max(votes + flagged), 0) FROM steps WHERE step BETWEEN ? AND ?"""

VOTES = """SELECT votes, CASE WHEN substr(tally, 1, 1) IN ('v', 'p', 'e')
    THEN substr(tally, 1, 1) ELSE '' END AS how, count(*) FROM steps
    WHERE step BETWEEN ? AND ? GROUP BY votes, how"""

HARDEST = """SELECT step, action, state, votes, flagged, rounds, tally, prompt_tokens,
    completion_tokens, surplus FROM steps ORDER BY votes + flagged DESC, step LIMIT ?"""

INSERT_STEP = "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

INSERT_SAMPLE = "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?)"

ADD_TOTALS = """UPDATE totals SET steps = steps + ?, votes = votes + ?, flagged = flagged + ?,
    surplus = surplus + ?, prompt_tokens = prompt_tokens + ?,
    completion_tokens = completion_tokens + ?, seconds = seconds + ?, collisions = collisions + ?"""

# A NULL cost is unknown, and unknown it stays: NULL plus anything is NULL.
ADD_USAGE = """INSERT INTO usage VALUES (?, ?, ?, ?, ?) ON CONFLICT (model) DO UPDATE SET
    prompt_tokens = usage.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = usage.completion_tokens + excluded.completion_tokens,
    samples = usage.samples + excluded.samples, cost_usd = usage.cost_usd + excluded.cost_usd"""

SET_META = """INSERT INTO meta VALUES (?, ?)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value"""

# Taking steps back.
DROP_STEPS = "DELETE FROM steps WHERE step > ?"

DROP_SAMPLES = "DELETE FROM samples WHERE step > ?"

SET_STEPS = "UPDATE totals SET steps = ?"
