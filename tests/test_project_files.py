"""The files for maintainers agree with the package: workflow, citation, changelog, issue forms, licence, hooks."""

import ast
import re
import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from solarseg import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SYSTEMS = {
    "ubuntu-latest": "POSIX :: Linux",
    "macos-latest": "MacOS",
    "windows-latest": "Microsoft :: Windows",
}
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def classified(prefix):
    return {entry.removeprefix(prefix) for entry in PROJECT["classifiers"] if entry.startswith(prefix)}


def test_the_workflow_tests_every_system_and_python_that_the_classifiers_name():
    jobs = read_yaml(".github/workflows/ci.yml")["jobs"]
    for name in ("tests", "install"):
        matrix = jobs[name]["strategy"]["matrix"]
        assert set(matrix["python"]) == classified("Programming Language :: Python :: ")
        assert {SYSTEMS[each] for each in matrix["os"]} == classified("Operating System :: ")
    versions = [tuple(map(int, each.split("."))) for each in classified("Programming Language :: Python :: ")]
    assert PROJECT["requires-python"] == f">={'.'.join(map(str, min(versions)))}"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflows_have_least_permissions_limits_and_pinned_actions(file):
    workflow = read_yaml(file)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert "permissions" not in job, name
        assert job["timeout-minutes"] <= 90, name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), name
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]), step["uses"]
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_local_run_and_the_workflow_make_the_same_checks():
    steps = read_yaml(".github/workflows/ci.yml")["jobs"]["checks"]["steps"]
    assert ".ci/checks" in [step.get("run") for step in steps]
    assert ".ci/checks" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    checks = (ROOT / ".ci/checks").read_text(encoding="utf-8")
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "mkdocs build --strict"):
        assert f"\n{tool}" in checks


def test_the_citation_agrees_with_the_package():
    citation = read_yaml("CITATION.cff")
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert {"title", "message", "authors"} <= set(citation)
    assert citation["title"] == PROJECT["name"]
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"] == PROJECT["keywords"]
    (author,) = citation["authors"]
    assert author["name"] in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_public_address_is_given_once_and_nowhere_invented():
    address = read_yaml("CITATION.cff").get("repository-code")
    expected = (
        {"Source": address, "Changelog": f"{address}/blob/main/CHANGELOG.md", "Issues": f"{address}/issues"}
        if address
        else {}
    )
    assert {name: url for name, url in PROJECT.get("urls", {}).items() if name in expected} == expected
    assert bool(PROJECT.get("urls")) == bool(address)


def test_the_changelog_keeps_its_form():
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Changelog"
    headings = [line for line in lines if line.startswith("## ")]
    assert headings[0] == "## [Unreleased]"
    released = [
        re.fullmatch(r"## \[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)", line) for line in headings[1:]
    ]
    assert all(released)
    numbers = [tuple(map(int, found.groups()[:3])) for found in released]
    assert all(first > second for first, second in pairwise(numbers))
    assert all(date.fromisoformat(found[4]) for found in released)
    assert {line.removeprefix("### ") for line in lines if line.startswith("### ")} <= CHANGES


@pytest.mark.parametrize(
    "file", sorted(set((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))), ids=lambda file: file.name
)
def test_issue_forms_ask_named_questions(file):
    form = read_yaml(file)
    if file.name == "config.yml":
        assert set(form) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(form) <= {"name", "description", "labels", "title", "body"}
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert fields
    assert all(field["type"] in {"textarea", "input", "dropdown", "checkboxes"} for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


@pytest.mark.parametrize("length", [1, 72, 73, 200])
def test_a_long_commit_subject_is_refused_and_a_long_body_is_not(length):
    hooks = read_yaml(".pre-commit-config.yaml")["repos"][0]["hooks"]
    (pattern,) = (hook["entry"] for hook in hooks if hook.get("stages") == ["commit-msg"])
    message = f"{'a' * length}\n\n{'b' * 100}\n"
    assert bool(re.search(pattern, message, re.MULTILINE)) == (length > 72)


def text_files_without_encoding(source):
    """Line numbers of calls that open text and do not say in which encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(each.arg == "encoding" for each in node.keywords):
            continue
        if isinstance(node.func, ast.Attribute):  # path.open(MODE), but not module.open(PATH, MODE)
            mode = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
            opened = node.func.attr == "open" and re.fullmatch(r"[rwaxt+]+", str(mode))
            if opened or node.func.attr in {"read_text", "write_text"}:
                yield node.lineno
        elif isinstance(node.func, ast.Name) and node.func.id == "open":
            modes = [str(each.value) for each in node.args[1:2] if isinstance(each, ast.Constant)]
            if not any("b" in mode for mode in modes):
                yield node.lineno


def test_calls_without_an_encoding_are_found():
    found = ["p.read_text()", "p.write_text('')", "p.open('w')", "open(p)", "open(p, 'x')"]
    fine = [
        "p.open('rb')",
        "open(p, 'rb')",
        "write_text(p, '')",
        "m.open(p, 'w')",
        "p.open('w', encoding='utf-8')",
    ]
    assert list(text_files_without_encoding("\n".join(found + fine))) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("folder", ["src", "benchmarks", "scripts"])
def test_text_is_read_and_written_in_one_encoding_on_every_system(folder):
    missing = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line in text_files_without_encoding(file.read_text(encoding="utf-8"))
    ]
    assert not missing
