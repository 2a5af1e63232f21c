import csv
import io
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.datasets.tables import read_rows, read_table
from solarseg.errors import DatasetError

GROUPS = {"a": "site 1", "b": "site 1", "c": "Stra\u00dfe"}


@pytest.mark.parametrize(
    "text",
    [
        "name,group\na,site 1\nb,site 1\nc,Stra\u00dfe\n",
        "name,group\na,site 1 \nb , site 1\n c,Stra\u00dfe\t\n",
        "name;group\na;site 1\nb;site 1\nc;Stra\u00dfe\n",
        "sep=;\nname;group\na;site 1\nb;site 1\nc;Stra\u00dfe\n",
        "Name, Group\na,site 1\nb,site 1\nc,Stra\u00dfe\n",
        "\ufeffNAME\tGROUP\r\na\tsite 1\r\nb\tsite 1\r\nc\tStra\u00dfe\r\n",
        'date,"Group",name\n2024,site 1,a\n,site 1,b\n,"Stra\u00dfe",c\n',
        "name;group;\na;site 1;\nb;site 1;\n;;\nc;Stra\u00dfe;\n\n",
        "name,group\na.PNG,site 1\nb.jpg,site\u00a01\u00a0\nc.tif,Stra\u00dfe\n".replace(
            "site\u00a01", "site 1"
        ),
    ],
)
def test_tables_as_people_and_spreadsheets_write_them(text, tmp_path):
    file = tmp_path / "groups.csv"
    file.write_text(text, encoding="utf-8", newline="")
    table = read_table(file, "name", "group")
    assert {name: table[name] for name in GROUPS} == GROUPS


def test_one_letter_written_in_two_ways_is_one_group(tmp_path):
    file = tmp_path / "groups.csv"
    file.write_text("name,group\na,D\u00e9p\u00f4t\nb,De\u0301po\u0302t\n", encoding="utf-8")
    assert len(set(read_table(file, "name", "group").values())) == 1


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"image;site\na;1\n", r"no columns 'name' and 'group' \(found 'image', 'site'\)"),
        (b"name,group\na, \n", "a line lacks 'name' or 'group': a; complete"),
        (b"name,group\na,x\n a ,y\n", "names 'a' twice with different values"),
        ("name,group\na,Stra\u00dfe\n".encode("cp1252"), "it must be CSV in UTF-8"),
        (b"name,group\na," + b"x" * 200_000, "cannot be read .field larger"),
        (b"name,group\n", "it has no rows"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(content, match, tmp_path):
    file = tmp_path / "groups.csv"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=match):
        read_table(file, "name", "group")


def test_a_table_larger_than_allowed_is_refused_unread(tmp_path):
    file = tmp_path / "groups.csv"
    with file.open("wb") as stream:
        stream.truncate(2**28 + 1)
    with pytest.raises(DatasetError, match=r"268,435,457 bytes; at most 268,435,456 are allowed"):
        read_table(file, "name", "group")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8).map(str.strip)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8), st.sampled_from(",;\t"), st.integers(0, 3))
def test_whatever_csv_writes_is_read(tmp_path_factory, rows, separator, spaces):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow([" First", "Second "])
    writer.writerows([" " * spaces + cell + " " * spaces for cell in row] for row in rows)
    file = tmp_path_factory.mktemp("csv") / "table.csv"
    file.write_text(text.getvalue(), encoding="utf-8")
    clean = [tuple(normalize("NFC", cell.strip()) for cell in row) for row in rows]
    expected = [{"first": one, "second": two} for one, two in clean if one or two]
    assert read_rows(file, "two columns") == expected
