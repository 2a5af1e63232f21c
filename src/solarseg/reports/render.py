"""Templates to HTML: Jinja2 with autoescape for everything and no undefined names."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from solarseg._version import __version__
from solarseg.painting import format_percent

__all__ = ["TEMPLATES", "relative_url", "render"]

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, script: str, **values: Any) -> str:
    """Render a template.

    The page allows no network and no script other than the file of this package, which the browser checks by its
    digest: markup that got past the escaping would still not run.

    Args:
        template: name of the template.
        script: name of the script of the page; empty for a page without one.
        values: what the template uses. All text is escaped.
    """
    code = _script(script) if script else ""
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    if code:
        policy += f"; script-src 'sha256-{_digest(code)}'"
    page = _environment().get_template(template)
    return page.render(policy=policy, script=script, version=__version__, **values)


def relative_url(path: str) -> str:
    """Return the address of a file next to a page; never one with a scheme, such as ``javascript:``.

    Examples:
        >>> relative_url("a b/report.html"), relative_url("javascript:x")
        ('./a%20b/report.html', './javascript%3Ax')
    """
    return "./" + quote(path.lstrip("/"), errors="surrogateescape")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        auto_reload=False,
    )
    environment.filters["percent"] = format_percent
    environment.filters["url"] = relative_url
    return environment


@cache
def _script(name: str) -> str:
    return _environment().get_template(name).render()


def _digest(code: str) -> str:
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
