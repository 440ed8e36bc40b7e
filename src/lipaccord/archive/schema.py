"""The tables of an archive's store, and the steps from one version of them to the next.

A clip is one row of ``clip``, whatever happens to it, and has one row of ``outcome`` for every method that it was
examined by. What was measured belongs to the content, by its SHA-256: a clip is not examined again wherever it moved.
The view ``row`` lays all this side by side for whoever reads the store with other tools: one row a clip and method.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one kind of SQLite file.

    Attributes
    ----------
    kind : str
        What people call such a file.
    application_id : int
        Tells it from other SQLite files.
    migrations : tuple of tuple of str
        Statements that lead from each version to the next; version 0 is an empty file.
    remedy : str
        How to make one.
    """

    kind: str
    application_id: int
    migrations: tuple[tuple[str, ...], ...]
    remedy: str

    @property
    def version(self) -> int:
        """The version that this release makes, and the newest that it reads."""
        return len(self.migrations)


_GIST = """
    status TEXT CHECK (status IN ('examined', 'not_examinable', 'failed')),
    error TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    reasons TEXT NOT NULL DEFAULT '[]',
    triage REAL,
    sync_status TEXT NOT NULL DEFAULT '',
    sync_log10_lr REAL,
    sync_score REAL,
    offset_ms REAL,
    resynthesis_status TEXT NOT NULL DEFAULT '',
    resynthesis_log10_lr REAL,
    resynthesis_score REAL,
    cues TEXT NOT NULL DEFAULT '[]',
    footage_s REAL NOT NULL DEFAULT 0,
    work_s REAL NOT NULL DEFAULT 0"""

_FIRST = (
    """CREATE TABLE method (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    bundle TEXT NOT NULL,
    bundle_sha256 TEXT NOT NULL,
    settings TEXT NOT NULL,
    version TEXT NOT NULL,
    max_seconds REAL,
    added_at TEXT NOT NULL
) STRICT""",
    """CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    method INTEGER NOT NULL REFERENCES method,
    sources TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    ended TEXT CHECK (ended IN ('finished', 'interrupted'))
) STRICT""",
    """CREATE TABLE clip (
    id INTEGER PRIMARY KEY,
    uri BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    size INTEGER,
    mark TEXT NOT NULL,
    speaker TEXT,
    date TEXT,
    carried TEXT NOT NULL,
    sha256 TEXT,
    subject TEXT NOT NULL GENERATED ALWAYS AS (coalesce(sha256, 'clip:' || id)) STORED,
    run INTEGER NOT NULL REFERENCES run
) STRICT""",
    "CREATE INDEX clip_subject ON clip (subject)",
    "CREATE INDEX clip_size ON clip (size) WHERE sha256 IS NOT NULL",
    "CREATE INDEX clip_run ON clip (run, id)",
    """CREATE TABLE examination (
    id INTEGER PRIMARY KEY,
    method INTEGER NOT NULL REFERENCES method,
    sha256 TEXT NOT NULL,
    duration_s REAL,
    planned INTEGER NOT NULL,
    UNIQUE (method, sha256)
) STRICT""",
    f"""CREATE TABLE outcome (
    method INTEGER NOT NULL REFERENCES method,
    clip INTEGER NOT NULL REFERENCES clip,
    examination INTEGER REFERENCES examination,
    mark TEXT NOT NULL,
    examined_at TEXT NOT NULL,
    worker TEXT NOT NULL,
    peak_mb REAL NOT NULL,
    lead INTEGER,{_GIST},
    PRIMARY KEY (method, clip)
) STRICT""",
    "CREATE INDEX outcome_rank ON outcome (method, triage DESC, clip)",
    "CREATE INDEX outcome_clip ON outcome (clip)",
    "CREATE INDEX outcome_examination ON outcome (examination)",
    f"""CREATE TABLE turn (
    examination INTEGER NOT NULL REFERENCES examination ON DELETE CASCADE,
    number INTEGER NOT NULL,
    start_s REAL,
    end_s REAL,{_GIST},
    analysis BLOB,
    timeline BLOB,
    PRIMARY KEY (examination, number)
) STRICT""",
    """CREATE TABLE decision (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    clip INTEGER NOT NULL REFERENCES clip,
    verdict TEXT CHECK (verdict IN ('confirm', 'dismiss', 'unsure')),
    what TEXT NOT NULL CHECK (what IN ('', 'sound', 'mouth', 'both')),
    note TEXT NOT NULL,
    user TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    withdrawn_at TEXT,
    current INTEGER NOT NULL CHECK (current IN (0, 1))
) STRICT""",
    "CREATE UNIQUE INDEX decision_current ON decision (subject) WHERE current = 1",
    """CREATE VIEW row AS SELECT
    clip.id AS id, clip.name AS name, clip.speaker AS speaker, clip.date AS date, clip.size AS size,
    clip.sha256 AS sha256, clip.carried AS carried, method.digest AS method,
    outcome.status AS status, outcome.error AS error, outcome.message AS message, outcome.reasons AS reasons,
    outcome.triage AS triage, outcome.sync_status AS sync_status, outcome.sync_log10_lr AS sync_log10_lr,
    outcome.sync_score AS sync_score, outcome.offset_ms AS offset_ms,
    outcome.resynthesis_status AS resynthesis_status, outcome.resynthesis_log10_lr AS resynthesis_log10_lr,
    outcome.resynthesis_score AS resynthesis_score, outcome.cues AS cues, examination.planned AS turns,
    outcome.lead AS lead, examination.duration_s AS duration_s, outcome.footage_s AS footage_s,
    outcome.work_s AS work_s, outcome.peak_mb AS peak_mb, outcome.worker AS worker,
    outcome.examined_at AS examined_at, decision.verdict AS verdict, decision.what AS what, decision.note AS note
FROM clip
CROSS JOIN method
LEFT JOIN outcome ON outcome.method = method.id AND outcome.clip = clip.id AND outcome.mark = clip.mark
LEFT JOIN examination ON examination.id = outcome.examination
LEFT JOIN decision ON decision.subject = clip.subject AND decision.current = 1""",
)

STORE = Schema("store", 0x6C697041, (_FIRST,), "make one by `lipaccord archive score SOURCE --db FILE`")
"""``lipA``."""
