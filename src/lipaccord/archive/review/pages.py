"""What the review says of clips, as pages.

Pages are rendered by Jinja2 with everything escaped; script and style are the page's own, written into it and allowed
by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, fields
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import jinja2

from lipaccord.archive.deciding import MOST_NOTE, Decision
from lipaccord.archive.filters import Filter, MethodRow
from lipaccord.archive.ranking import Place
from lipaccord.archive.review.desk import MOST_COUNTED, Known, Leaf
from lipaccord.archive.review.fresh import Standing
from lipaccord.archive.review.words import (
    moment,
    told_decision,
    told_facts,
    told_reasons,
    told_row,
    told_segments,
    told_standing,
    told_turns,
)
from lipaccord.errors import ArchiveError
from lipaccord.report.wording import CUE_WORDS, STATUS_WORDS, plain

PAGE = Path(__file__).parent / "page"
ROW_WORDS = {"examined": "examined", "not_examinable": "not examinable", "failed": "failed"}
DECIDED_WORDS = {"undecided": "undecided", "confirm": "confirmed", "dismiss": "dismissed", "unsure": "unsure"}

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and the Content Security Policy that goes with it."""

    html: str
    policy: str


def place_text(place: Place) -> str:
    """Write a place for a URL."""
    return f"{'' if place.triage is None else repr(place.triage)}~{place.status}~{place.clip}"


def read_place(text: str) -> Place | None:
    """Undo `place_text`; None for an empty text.

    Raises
    ------
    ArchiveError
        It is no such text.
    """
    if not text:
        return None
    found = re.fullmatch(r"(-?\d{1,20}(?:\.\d{1,20})?(?:e-?\d{1,3})?)?~([a-z_]{1,20})~(\d{1,18})", text, re.ASCII)
    if found is None or found[2] not in ROW_WORDS:
        raise ArchiveError("there is no such page of the list; begin at its first one")
    return Place(None if found[1] is None else float(found[1]), found[2], int(found[3]))


def read_rank(text: str) -> int:
    """Return the rank that a page begins with; 1 for an empty text.

    Raises
    ------
    ArchiveError
        It is none.
    """
    if not text:
        return 1
    if re.fullmatch(r"[1-9]\d{0,11}", text, re.ASCII) is None:
        raise ArchiveError("there is no such page of the list; begin at its first one")
    return int(text)


def told_total(total: int) -> str:
    """Say how many clips a filter takes."""
    return f"{total:,}" + (" or more" if total >= MOST_COUNTED else "")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: (PAGE / name).read_text(encoding="utf-8")),
    )
    environment.filters["plain"] = plain
    return environment


@cache
def _source(name: str) -> tuple[str, str]:
    """Return a script or style of the page, and how a policy names it."""
    text = (PAGE / name).read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return text, f"'sha256-{digest}'"


def _page(template: str, **values: Any) -> Page:
    (script, script_hash), (style, style_hash) = _source("review.js"), _source("review.css")
    policy = (
        f"default-src 'none'; script-src {script_hash}; style-src {style_hash}; img-src 'self' data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    html = _environment().get_template(template).render(**values, script=script, style=style, most_note=MOST_NOTE)
    return Page(html, policy)


def _query(chosen: Filter) -> dict[str, str]:
    return {field.name: str(value) for field in fields(Filter) if (value := getattr(chosen, field.name)) is not None}


def list_page(
    base: str, store: Path, leaf: Leaf, first: int, chosen: Filter, methods: list[MethodRow], speakers: list[str]
) -> Page:
    """Render a page of the list.

    Parameters
    ----------
    base : str
        Path below which everything lies.
    store : Path
    leaf : Leaf
    first : int
        Rank of its first row.
    chosen : Filter
    methods, speakers : list
        What can be chosen.
    """
    rows = [told_row(row, leaf.decisions.get(row["id"]), first + at) for at, row in enumerate(leaf.rows)]
    query = _query(chosen)
    unasked = {"reason", "error", "least_triage"} if len(methods) > 1 else {"reason", "error", "least_triage", "method"}
    return _page(
        "review.html.jinja",
        base=base,
        store=plain(store.name),
        rows=rows,
        first=first,
        last=first + len(rows) - 1,
        query=query,
        filtered=bool(query.keys() - {"method"}),
        unasked={name: value for name, value in query.items() if name in unasked},
        method_query={"method": chosen.method} if chosen.method else {},
        more=None if leaf.more is None else query | {"after": place_text(leaf.more), "first": str(first + len(rows))},
        methods=methods,
        speakers=speakers,
        words=STATUS_WORDS,
        statuses=ROW_WORDS,
        sync_statuses=_worded("in_sync", "offset", "unrelated", "partly_unrelated", "not_examinable"),
        resynthesis_statuses=_worded("authentic_texture", "resynthesised", "inconclusive", "not_examinable"),
        cues=CUE_WORDS,
        decided=DECIDED_WORDS,
    )


def _worded(*statuses: str) -> dict[str, str]:
    return {status: STATUS_WORDS[status][0] for status in statuses}


def _decision_now(known: Known) -> Decision | None:
    return next((decision for decision in known.history if decision.current), None)


def _clip_values(base: str, known: Known, method: str | None) -> dict[str, Any]:
    return {
        "base": base,
        "row": told_row(known.row, _decision_now(known)),
        "absence": known.absence,
        "method_query": {"method": method} if method else {},
    }


def clip_page(base: str, known: Known, method: str | None) -> Page:
    """Render what the store holds of a clip."""
    history = [
        told_decision(decision)
        | {"withdrawn": "" if decision.withdrawn_at is None else moment(decision.withdrawn_at)}
        | {"counts": decision.current}
        for decision in known.history
    ]
    return _page(
        "clip.html.jinja",
        **_clip_values(base, known, method),
        turns=told_turns(known),
        reasons=told_reasons(known.analysis),
        segments=told_segments(known.analysis),
        facts=told_facts(known),
        history=history,
        can_repeat=known.lead is not None,
    )


def report_page(base: str, known: Known, method: str | None, standing: Standing) -> Page:
    """Render the page around a report: how far it is, or the report with what the comparison came to."""
    return _page(
        "report.html.jinja", **_clip_values(base, known, method), standing=standing, told=told_standing(standing)
    )


def report_policy(head: str) -> str:
    """Return the policy that a report states for itself, with leave for the page around it.

    Parameters
    ----------
    head : str
        Where the report begins.
    """
    found = _POLICY.search(head)
    if found is None:
        raise ValueError("a report without a policy")
    return f"{unescape(found[1])}; frame-ancestors 'self'"
