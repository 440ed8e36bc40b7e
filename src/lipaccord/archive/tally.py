"""What came of an archive in figures, and how many of its clips may be expected to be altered, or falsely claimed.

What can be said at a base rate P, the share of clips that is altered, for each finding by itself:

- Every turn that was judged has a likelihood ratio, which its calibration's bounds hold back. An altered recording may
  be altered in one turn only, whichever. The ratio of a clip is therefore the mean of those of its turns: that is the
  ratio of "one of them, any, is altered" against "none is". It needs no turn to be independent of the others (the mean
  of ratios whose expectation among authentic turns is 1 has that expectation too), and a clip with many turns gains
  nothing by having the largest of many ratios.
- With odds o = P / (1 - P), a clip is altered with the probability o LR / (1 + o LR). Summed over clips that is how
  many altered ones to expect among them; the rest are authentic. This holds as far as the calibration does for this
  footage.
- How many false claims are to be expected anyway does not depend on what was claimed: each judged turn of an authentic
  clip is one more chance. The calibration said of the weakest claim by what share of its own authentic clips that ratio
  is reached; with one more person who reaches it, as none among a few does not mean none, that share of the turns is
  what to expect at most.

Claimed are ``unrelated`` and ``resynthesised``, by any turn of a clip. The ratio says nothing on an offset or on a
stretch of a turn (``partly_unrelated``), so neither counts here.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from lipaccord.archive.dossier import analysis
from lipaccord.archive.filters import Filter, MethodRow, chosen_method
from lipaccord.archive.ranking import top
from lipaccord.archive.store import Store

SCHEMA = "lipaccord/archive-stats/1"
FIRST = 100
"""Clips at the head of the ranking whose expectations are told."""
CLAIMED = {"sync": "unrelated", "resynthesis": "resynthesised"}
"""The status that a large ratio of a finding claims."""

_MOST_SPEAKERS = 10
_LARGEST = 100.0  # of a log10 ratio, far beyond what any calibration backs
_CURRENT = "FROM outcome JOIN clip ON clip.id = outcome.clip AND clip.mark = outcome.mark WHERE outcome.method = ?"


def _counts(store: Store, method: int) -> dict[str, Any]:
    """Count outcomes by what came of them, in one pass."""
    by: dict[str, Counter[str]] = {name: Counter() for name in ("status", "error", "sync", "resynthesis")}
    footage_s = 0.0
    rows = store.connection.execute(
        "SELECT outcome.status, outcome.error, sync_status AS sync, resynthesis_status AS resynthesis, "
        f"count(*) AS clips, sum(footage_s) AS footage_s {_CURRENT} GROUP BY 1, 2, 3, 4",
        (method,),
    )
    for row in rows:
        footage_s += row["footage_s"]
        for name, counter in by.items():
            if row[name]:
                counter[row[name]] += row["clips"]
    clips = store.connection.execute("SELECT count(*) FROM clip").fetchone()[0]
    statuses = {name: by["status"][name] for name in ("examined", "not_examinable", "failed")}
    return {
        "clips": clips,
        "statuses": statuses | {"waiting": clips - sum(statuses.values())},
        "findings": {
            name: {"statuses": _ordered(by[name]), "judged": by[name].total() - by[name]["not_examinable"]}
            for name in CLAIMED
        },
        "errors": _ordered(by["error"]),
        "reasons": _reasons(store, method),
        "footage_s": footage_s,
    }


def _ordered(counter: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _reasons(store: Store, method: int) -> dict[str, int]:
    rows = store.connection.execute(
        "SELECT reason.value AS reason, count(*) AS clips FROM outcome JOIN clip ON clip.id = outcome.clip "
        "AND clip.mark = outcome.mark JOIN json_each(outcome.reasons) AS reason WHERE outcome.method = ? "
        "AND outcome.reasons != '[]' GROUP BY 1",
        (method,),
    )
    return _ordered({str(row["reason"]): row["clips"] for row in rows})


def _speakers(store: Store, method: int) -> dict[str, Any]:
    """Count the speakers that sources named, and say of those with most clips what came of these."""
    rows = store.connection.execute(
        "SELECT speaker, count(*) AS clips, sum(outcome.status = 'examined') AS examined, "
        "sum(sync_status = ? OR resynthesis_status = ?) AS claimed "
        f"{_CURRENT} AND speaker != '' GROUP BY speaker",
        (*CLAIMED.values(), method),
    )
    number = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal number
        for row in rows:
            number += 1
            yield dict(row)

    most = heapq.nsmallest(_MOST_SPEAKERS, counted(), key=lambda one: (-one["clips"], one["speaker"]))
    return {"number": number, "most": most}


def _work(store: Store, method: int, clips: int) -> dict[str, Any]:
    """Say what the examinations took; a content that several clips have was examined once."""
    execute = store.connection.execute
    turns = execute(
        "SELECT coalesce(sum(footage_s), 0) AS footage_s, coalesce(sum(work_s), 0) AS work_s FROM turn "
        "JOIN examination ON examination.id = turn.examination WHERE examination.method = ?",
        (method,),
    ).fetchone()
    lost_s, peak_mb = execute(
        "SELECT coalesce(sum(iif(examination IS NULL, work_s, 0)), 0), max(peak_mb) FROM outcome WHERE method = ?",
        (method,),
    ).fetchone()
    work_s = turns["work_s"] + lost_s
    pages, size = (execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    total = execute("SELECT count(*) FROM clip").fetchone()[0]
    return {
        "work_s": work_s,
        "footage_per_work": turns["footage_s"] / work_s if work_s else None,
        "clips_per_core_hour": 3600 * clips / work_s if work_s else None,
        "peak_mb": peak_mb,
        "store_bytes": pages * size,
        "store_bytes_per_clip": pages * size / total if total else None,
    }


def _decisions(store: Store) -> dict[str, int]:
    rows = store.connection.execute(
        "SELECT verdict || iif(what = '', '', ' ' || what) AS verdict, count(*) AS decisions FROM decision "
        "WHERE current = 1 AND verdict IS NOT NULL GROUP BY 1"
    )
    return _ordered({row["verdict"]: row["decisions"] for row in rows})


@dataclass(slots=True)
class Expected:
    """What is expected of a group of clips, one finding.

    Attributes
    ----------
    clips, turns : int
        Judged, with a ratio.
    altered, authentic : float
        Expected numbers of clips.
    """

    clips: int = 0
    turns: int = 0
    altered: float = 0.0
    authentic: float = 0.0

    def add(self, ratios: list[float], odds: float) -> None:
        """Count a clip that has these log10 likelihood ratios."""
        weight = odds * sum(10.0 ** min(ratio, _LARGEST) for ratio in ratios) / len(ratios)
        self.clips += 1
        self.turns += len(ratios)
        self.altered += weight / (1 + weight)
        self.authentic += 1 / (1 + weight)


class _Expectation:
    """Gathers, clip by clip, what is expected of one finding."""

    def __init__(self, finding: str, odds: float, first: frozenset[int]) -> None:
        self._finding, self._odds, self._first = finding, odds, first
        self.judged, self.claimed, self.first = Expected(), Expected(), Expected()
        self.claims = 0
        self.weakest: tuple[float, int, int] | None = None  # ratio, clip and turn of the weakest claim

    def add(self, clip: int, turns: Iterable[Mapping[str, Any]]) -> None:
        ratios, is_claimed = [], False
        for turn in turns:
            ratio = turn[f"{self._finding}_log10_lr"]
            if ratio is None:
                continue
            ratios.append(ratio)
            if turn[f"{self._finding}_status"] == CLAIMED[self._finding]:
                is_claimed = True
                self.claims += 1
                found = (ratio, clip, turn["number"])
                self.weakest = found if self.weakest is None else min(self.weakest, found)
        if ratios:
            self.judged.add(ratios, self._odds)
            if is_claimed:
                self.claimed.add(ratios, self._odds)
            if clip in self._first:
                self.first.add(ratios, self._odds)


def _false_claims(
    store: Store, method: MethodRow, finding: str, gathered: _Expectation, base_rate: float
) -> dict[str, float] | None:
    """Say how many turns would be claimed if the authentic ones are like those of the calibration."""
    if gathered.weakest is None:
        return None
    ratio, clip, turn = gathered.weakest
    try:
        reached = analysis(store, clip, method, turn)["findings"][finding]["reached_by"]
        share, groups = float(reached["innocent"]), int(reached["groups"][1])
    except (LookupError, TypeError, ValueError):  # made without a calibration's figures, or not by lipaccord
        return None
    most = (share * groups + 1) / (groups + 1)
    authentic = gathered.judged.turns * (1 - base_rate)
    return {
        "log10_lr": ratio,
        "share": share,
        "groups": groups,
        "turns": share * authentic,
        "turns_at_most": most * authentic,
    }


def expectations(store: Store, method: MethodRow, base_rate: float) -> dict[str, Any]:
    """Return expected numbers of altered and of authentic clips; the module says what they mean.

    Parameters
    ----------
    store : Store
    method : MethodRow
    base_rate : float
        Share of clips that is altered, between 0 and 1.

    Returns
    -------
    dict
        By finding: ``judged``, ``claimed``, ``first``, each `Expected`; ``ranked`` (clips at the head of the ranking,
        of which `first` are those that were judged); ``claim`` (the status), ``claims`` (turns); and ``false_claims``,
        None where nothing was claimed or the analyses do not say what the calibration reached.
    """
    first = frozenset(row["id"] for row in top(store, Filter(method=method.digest), FIRST, ranked_only=True))
    odds = base_rate / (1 - base_rate)
    gathered = {finding: _Expectation(finding, odds, first) for finding in CLAIMED}
    rows = store.connection.execute(
        "SELECT outcome.clip, turn.number, turn.sync_log10_lr, turn.sync_status, turn.resynthesis_log10_lr, "
        "turn.resynthesis_status FROM outcome JOIN clip ON clip.id = outcome.clip AND clip.mark = outcome.mark "
        "JOIN turn ON turn.examination = outcome.examination WHERE outcome.method = ? AND turn.status = 'examined' "
        "ORDER BY outcome.clip",
        (method.id,),
    )
    for clip, group in groupby(rows, key=lambda row: row["clip"]):
        turns = list(group)
        for one in gathered.values():
            one.add(clip, turns)
    return {
        finding: {
            "judged": asdict(one.judged),
            "claimed": asdict(one.claimed),
            "first": asdict(one.first),
            "ranked": len(first),
            "claim": CLAIMED[finding],
            "claims": one.claims,
            "false_claims": _false_claims(store, method, finding, one, base_rate),
        }
        for finding, one in gathered.items()
    }


def tally(store: Store, digest: str | None = None, base_rate: float | None = None) -> dict[str, Any]:
    """Return the figures of an archive as JSON values.

    Parameters
    ----------
    store : Store
    digest : str, optional
        Of the method, or the beginning of one; otherwise the newest that has outcomes.
    base_rate : float, optional
        Share of clips that is altered, for `expectations`.

    Raises
    ------
    ArchiveError
        The store holds no such method.
    """
    method = chosen_method(store, digest)
    counted = _counts(store, method.id)
    settled = counted["clips"] - counted["statuses"]["waiting"]
    result = {"schema": SCHEMA, "method": asdict(method), **counted}
    result |= {"speakers": _speakers(store, method.id), "work": _work(store, method.id, settled)}
    result |= {"decisions": _decisions(store), "base_rate": base_rate}
    return result | {"expected": None if base_rate is None else expectations(store, method, base_rate)}
