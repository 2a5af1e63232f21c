"""Text that a spreadsheet would compute is written with a quote in front of it, and read as it was."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import solarseg
from solarseg.csv_files import CsvWriter, read_csv, read_csv_records
from solarseg.datasets.groups import GROUPS_NAME
from solarseg.datasets.tables import read_table
from solarseg.files import write_table

FORMULAS = ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", "＋1"]


def written(*rows):
    text = io.StringIO(newline="")
    writer = CsvWriter(text)
    for row in rows:
        writer.add(row)
    return text.getvalue()


def as_others_read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", [*FORMULAS, "'=1", "-", "=", "+a", "-0x1F", "-1,=2", "-1,"])
def test_no_field_begins_as_a_formula(text):
    ((found, _),) = as_others_read(written([text, "roof"]))
    assert found == f"'{text}"


@pytest.mark.parametrize(
    "value",
    [-0.5, -3, "-0.5", "+7", "-1e-06", "-inf", "-0.40,5.00,3", "1.5", "nan", "", "roof", "it's", "'a'"],
)
def test_numbers_and_other_text_are_written_as_they_are(value):
    assert as_others_read(written([value, "x"])) == [[str(value), "x"]]


TEXT = st.text(st.sampled_from("'=+-@\t\r\n\0＝ab1.,;\"e "), max_size=6)


@given(st.lists(TEXT, min_size=2, max_size=3))
def test_what_is_read_is_what_was_written(row):
    text = written(row)
    assert list(read_csv(io.StringIO(text, newline=""))) == [row]
    number = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?(,[+-]?[\d.]+(e[+-]?\d+)?)*", re.IGNORECASE)
    for field in as_others_read(text)[0]:
        assert field[:1] not in tuple("=+-@\t\r\n\0＝") or number.fullmatch(field)


def test_records_have_the_names_of_the_columns():
    text = written(["name", "n"], ["=a", -1], ["b", 2])
    assert list(read_csv_records(io.StringIO(text))) == [{"name": "=a", "n": "-1"}, {"name": "b", "n": "2"}]


def test_a_field_that_is_too_long_is_a_value_error():
    with pytest.raises(ValueError, match="field larger than field limit"):
        list(read_csv(["a," + "x" * 140_000]))


def test_tables_of_a_dataset_are_read_with_the_names_of_the_images(tmp_path):
    groups = {"=a": "-module", "-b": "@roof", "c": "-1"}
    write_table(tmp_path / GROUPS_NAME, ("name", "group"), groups.items())
    assert "\n=a" not in (tmp_path / GROUPS_NAME).read_text()
    assert read_table(tmp_path / GROUPS_NAME, "name", "group") == groups


def test_all_csv_files_are_written_in_one_place():
    writers = re.compile(r"\bcsv\.(writer|DictWriter)\b|\.to_csv\(")
    root = Path(solarseg.__file__).parent
    found = [file.name for file in root.rglob("*.py") if writers.search(file.read_text(encoding="utf-8"))]
    assert found == ["csv_files.py"]
