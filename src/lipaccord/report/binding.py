"""What every page that needs nothing else is bound of: its script and style, and a policy that allows these alone.

The page is rendered by Jinja2 with everything escaped; scripts and styles are its own, written into it, and a Content
Security Policy allows them by their hashes and nothing from a network. Plots are drawn by uPlot, which is shipped with
the package.

Conventions: the same values give the same page; the last line seals it (`seal`).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources

import jinja2

from lipaccord.report.seal import seal
from lipaccord.report.wording import plain, sentence

PAGE = resources.files("lipaccord.report") / "page"
STYLES = ("uPlot.min.css", "report.css")
LICENCE = "uPlot.LICENSE"
PLOTTING = (LICENCE, "uPlot.iife.min.js")


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _joined(names: Sequence[str]) -> str:
    """Join the files of the page; a licence goes along as a comment."""
    texts = {name: _read(name).strip() for name in names}
    return "\n".join(f"/*\n{text}\n*/" if name == LICENCE else text for name, text in texts.items())


def _script_json(values: object) -> str:
    """Write JSON that nothing in a script element can end or open."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def data_url(data: bytes, kind: str) -> str:
    """Write bytes of a media type (``image/png``) into a URL."""
    return f"data:{kind};base64," + base64.b64encode(data).decode("ascii")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") + "'"


def _policy(script: str, style: str) -> str:
    """Allow the page's own script and style, pictures and sound of its own or beside it, and nothing else."""
    beside = "data: blob: file: 'self'"
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src {beside}; "
        f"media-src {beside}; base-uri 'none'; form-action 'none'"
    )


def bound(
    template: str,
    told: Mapping[str, object],
    *,
    drawn: object,
    twin: str,
    scripts: Sequence[str],
    styles: Sequence[str] = STYLES,
) -> str:
    """Render a page and seal it.

    Parameters
    ----------
    template : str
        Name of the file in `PAGE`; it extends ``base.html.jinja``.
    told : mapping
        What the template says. Filters beside Jinja's own: ``plain``, ``sentence``.
    drawn : object
        What the scripts read, JSON values.
    twin : str
        Element for machines, as `seal.twin` gives it.
    scripts, styles : sequence of str
        Files in `PAGE`, joined in this order.

    Returns
    -------
    str
        The whole page.
    """
    script, style = _joined(scripts), _joined(styles)
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_read),
    )
    environment.filters |= {"plain": plain, "sentence": sentence}
    text = environment.get_template(template).render(
        **told, policy=_policy(script, style), script=script, style=style, data=_script_json(drawn), twin=twin
    )
    return seal(text.rstrip("\n") + "\n")
