"""Links, lists and commands of the pages that neither Python nor MkDocs checks."""

import argparse
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

import solarseg

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "benchmarks/README.md",
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.rglob("*.md")),
]


def read(page):
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_lead_to_files(page):
    """MkDocs checks those of docs/."""
    links = re.findall(r"\]\(([^)#]+)", read(page))
    assert len(links) > 1
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_every_page_is_in_the_navigation():
    named = re.findall(r"(\S+\.md)$", read(ROOT / "mkdocs.yml"), re.MULTILINE)
    assert sorted(named) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_every_public_name_is_on_the_python_page():
    named = re.findall(r"^::: solarseg\.(\w+)$", read(DOCS / "reference/python.md"), re.MULTILINE)
    assert sorted(named) == sorted({*solarseg.__all__, "errors"} - {"__version__"})


def test_every_decision_is_in_the_index_and_has_three_parts():
    index = read(DOCS / "decisions/index.md")
    for page in DOCS.glob("decisions/*.md"):
        for decision in read(page).split("\n## ")[1:] if page.name != "index.md" else []:
            title, *paragraphs = decision.split("\n\n")
            assert f"- [{title}]({page.name}#" in index, f"{page.name}: {title}"
            parts = [part.split("**")[1] for part in paragraphs if part.startswith("**")]
            assert parts == ["Context.", "Decision.", "Consequence."], f"{page.name}: {title}"


def test_the_table_of_packages_is_the_import_contract():
    table = read(DOCS / "architecture.md").split("## Packages")[1].split("## ")[0]
    first = " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    contracts = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    packages = [re.sub(r"[/ ]", "", name) for layer in reversed(layers) for name in layer.split("|")]
    assert re.findall(r"`(\w+)", first) == [name for name in packages if name != "_version"]


def test_the_table_of_where_to_add_names_files_that_exist():
    table = read(DOCS / "architecture.md").split("## Where to add things")[1]
    paths = re.findall(r"`([\w/]+/[\w/.]+)`", table)
    assert len(paths) > 15
    folders = (ROOT, ROOT / "src/solarseg")
    for path in paths:
        known = path.split("NAME")[0]
        assert any((folder / known).exists() for folder in folders), path


def benchmarks():
    for page in PAGES:
        fenced = "".join(re.findall("^```sh\n(.*?)^```", read(page), re.MULTILINE | re.DOTALL)).replace(
            "\\\n", ""
        )
        for line in re.findall("^python benchmarks/.+$", fenced, re.MULTILINE):
            yield pytest.param(shlex.split(line, comments=True)[1:], id=f"{page.name}: {line}")


class _ParsedError(Exception):
    """The arguments were understood."""


@pytest.mark.parametrize("words", list(benchmarks()))
def test_benchmarks_take_the_options_on_the_pages(words, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self, *given):
        parse(self, *given)
        raise _ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    with pytest.raises(_ParsedError):
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
