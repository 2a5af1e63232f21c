import json
import re
from dataclasses import fields, replace
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.download.catalogue import CATALOGUE, NOT_COVERED, find_public_dataset
from solarseg.download.listing import HOSTS, RemoteFile, list_remote_files, select_files
from solarseg.download.safe_names import unsafe_name_reason
from solarseg.download.web import WebClient
from solarseg.errors import ArgumentError, DataError

MD5 = "900150983cd24fb0d6963f7d28e17f72"


# The table


def test_every_documented_dataset_has_one_entry():
    assert [entry.name for entry in CATALOGUE] == [
        *("glosofarid", "pv-multires", "duramat-cracks", "multisolsegment", "elpv", "el-benchmark"),
    ]


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry):
    for field in fields(entry):
        value = getattr(entry, field.name)
        assert value or (field.name, value) in (("samples", None), ("classes", ()))
        assert value == value.strip() if isinstance(value, str) else True
    assert entry.host in HOSTS
    assert {urlsplit(url).scheme for url in (entry.page, entry.address)} == {"https"}
    assert re.search(r"arXiv:\d{4}\.\d{5}|doi:10\.\d+/\S+|Systems and Soft Computing", entry.citation)
    assert entry.task == ("classification" if entry.name == "elpv" else "segmentation")
    assert find_public_dataset(entry.name) is entry


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("glosofarid", "unknown"),
        ("pv-multires", "CC BY 4.0"),
        ("duramat-cracks", "unknown"),
        ("multisolsegment", "unknown"),
        ("elpv", "CC BY-NC-SA 4.0"),
        ("el-benchmark", "none stated"),
    ],
)
def test_licences_are_stated(name, licence):
    assert find_public_dataset(name).licence.startswith(licence)


def test_notes_state_what_a_user_must_know():
    glosofarid, elpv = find_public_dataset("glosofarid").note, find_public_dataset("elpv").note
    assert "not defects" in glosofarid and "overlap" in glosofarid
    assert "No masks" in elpv and "not to train weights" in elpv
    assert "docs/guides/labels.md" in NOT_COVERED and "thermal" in NOT_COVERED
    assert len(find_public_dataset("el-benchmark").classes) == 24
    with pytest.raises(ArgumentError, match="`name='ELPV'`: must be one of glosofarid, "):
        find_public_dataset("ELPV")


# What sources answer


@pytest.fixture
def web(monkeypatch):
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with WebClient(sleep=lambda _: None, timeout=10) as web:
        yield web


@pytest.fixture
def ask(httpserver, web):
    """Return a function that lists a dataset of the catalogue with an answer of the test."""

    def put(name, answer, path="/api"):
        text = answer if isinstance(answer, (str, bytes)) else json.dumps(answer)
        httpserver.expect_request(path).respond_with_data(text, content_type="application/json")
        return list_remote_files(replace(find_public_dataset(name), address=httpserver.url_for(path)), web)

    return put


def zenodo_file(key="PV01.zip", size=5, checksum=f"md5:{MD5}", url="http://zenodo.org/f/content"):
    return {"id": "1", "key": key, "size": size, "checksum": checksum, "links": {"self": url}}


def test_files_of_a_zenodo_record(ask):
    record = {
        "id": 5171712,
        "metadata": {"license": {"id": "cc-by-4.0"}, "title": "x"},
        "files": [zenodo_file(), zenodo_file("PV03.z01", 7, None)],
        "links": {"self": "x"},
    }
    listing = ask("pv-multires", record)
    assert listing.files == (
        RemoteFile("PV01.zip", "http://zenodo.org/f/content", 5, f"md5:{MD5}"),
        RemoteFile("PV03.z01", "http://zenodo.org/f/content", 7, None),
    )
    assert listing.licence == "cc-by-4.0"


@pytest.mark.parametrize("metadata", [{}, {"license": None}, {"license": "x"}, {"license": {}}])
def test_a_record_may_state_no_licence(ask, metadata):
    assert ask("glosofarid", {"files": [zenodo_file()], "metadata": metadata}).licence is None


def test_files_of_a_ckan_dataset(ask, httpserver):
    here = httpserver.url_for("/dataset/1/resource/{}/download/{}")
    resources = [
        {"url": here.format(1, "labeledelcells.zip"), "size": 9, "hash": MD5, "url_type": "upload", "name": "Cells"},
        {"url": here.format(2, "read%20me.txt"), "size": "1.2 kB", "hash": "", "url_type": "upload"},
        {"url": here.format(3, "typed.zip"), "size": 3, "hash": None, "url_type": None},
        {"url": here.format(4, "LABELEDELCELLS.zip"), "hash": f"sha256:{'0' * 64}"},
        {"url": "https://github.com/hackingmaterials/pv-vision", "size": None},
        {"url": "https://[", "size": -1},
    ]  # fmt: skip
    package = {"resources": resources, "license_title": "Creative Commons Attribution"}
    listing = ask("multisolsegment", {"success": True, "result": package})
    assert listing.licence == "Creative Commons Attribution"
    assert [(file.name, file.size, file.checksum) for file in listing.files] == [
        ("labeledelcells.zip", 9, f"md5:{MD5}"),
        ("read me.txt", None, None),
        ("typed.zip", None, None),  # a size typed as text
        ("LABELEDELCELLS-2.zip", None, f"sha256:{'0' * 64}"),
    ]
    assert listing.files[0].url == resources[0]["url"]


@pytest.mark.parametrize(
    ("name", "file"),
    [("elpv", "elpv-dataset-master.zip"), ("el-benchmark", "BenchmarkELimages-main.zip")],
)
def test_the_archive_of_a_repository(web, name, file):
    """With the addresses in the catalogue: no request is sent."""
    entry = find_public_dataset(name)
    assert list_remote_files(entry, web).files == (RemoteFile(file, entry.address),)


@pytest.mark.parametrize(
    "answer",
    [
        *("", "null", "[]", "{}", "<html>Maintenance</html>", b"\xff\xfe", "[" * 100_000, '{"files": 1}'),
        {"files": [{"key": "a"}]},
        {"files": [zenodo_file(size=-1)]},
        {"files": [zenodo_file(size="many")]},
        {"files": [zenodo_file(url=None)]},
        {"files": [zenodo_file(key=None)]},
        {"files": {"enabled": True}},
    ],
)
@pytest.mark.parametrize("name", ["glosofarid", "duramat-cracks"])
def test_the_error_for_an_invalid_answer_is_one_line(ask, name, answer):
    with pytest.raises(
        DataError, match=rf"^{name}: localhost gave an invalid list of files .* by hand from https:"
    ) as error:
        ask(name, answer)
    assert "\n" not in str(error.value)


def test_an_endless_answer_is_not_read_to_its_end(httpserver, web):
    sent = []

    def endless(_):
        from werkzeug import Response

        return Response((sent.append(1) or b" " * 65536 for _ in range(100_000)), 200)

    httpserver.expect_request("/api").respond_with_handler(endless)
    with pytest.raises(DataError, match="longer than 8388608 bytes"):
        list_remote_files(replace(find_public_dataset("glosofarid"), address=httpserver.url_for("/api")), web)
    assert len(sent) < 1000


def test_an_empty_record_is_reported(ask):
    with pytest.raises(DataError, match=r"lists no files; see https://zenodo.org/records/10939100"):
        ask("glosofarid", {"files": []})


def test_a_busy_source_is_requested_again(httpserver, web):
    httpserver.expect_ordered_request("/api").respond_with_data("later", 503)
    httpserver.expect_ordered_request("/api").respond_with_json({"files": [zenodo_file()]})
    entry = replace(find_public_dataset("glosofarid"), address=httpserver.url_for("/api"))
    assert len(list_remote_files(entry, web).files) == 1


def test_a_source_that_is_gone_is_reported(ask, httpserver, web):
    entry = replace(find_public_dataset("glosofarid"), address=httpserver.url_for("/gone"))
    httpserver.expect_request("/gone").respond_with_data("no", 404)
    with pytest.raises(DataError, match="glosofarid: list of files from localhost: the server answered 404"):
        list_remote_files(entry, web)


BAD_NAMES = [
    *("../x", "a/../b", "/etc/passwd", "a/b", "..", ".", "", "C:x", "C:\\x", "\\\\host\\x", "a\\b", "a:b"),
    *("a\0b", "a\nb", "\x1b[2J", "NUL", "com1.zip", "Aux .txt", "a.", "a ", "x" * 201, "é" * 101),
    *("exe\u202egnp.zip", "\ud800", "a\u200bb"),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_could_leave_the_folder_are_refused(ask, name):
    assert unsafe_name_reason(name)
    with pytest.raises(DataError, match=r"^glosofarid: .* by hand from https") as error:
        ask("glosofarid", {"files": [zenodo_file("good.zip"), zenodo_file(name)]})
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "name", ["PV01.zip", "solar_2023_us.tfrecord.gz", "a b.zip", "é" * 100, ".hidden", "console"]
)
def test_safe_names_are_accepted(name):
    assert unsafe_name_reason(name) is None


@given(st.text())
def test_a_safe_name_is_one_file_in_its_folder(tmp_path_factory, name):
    if unsafe_name_reason(name) is None:
        folder = tmp_path_factory.mktemp("to")
        (folder / name).write_bytes(b"")
        assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize(
    "url", ["http://zenodo.org/f", "ftp://zenodo.org/f", "file:///etc/passwd", "x", "https://["]
)
def test_an_https_list_leads_to_https_files(web, monkeypatch, url):
    body = json.dumps({"files": [zenodo_file(url=url)]}).encode()
    monkeypatch.setattr(web, "read", lambda *_: body)
    with pytest.raises(DataError, match=r"PV01.zip is not at an https address"):
        list_remote_files(find_public_dataset("glosofarid"), web)


FILES = [RemoteFile(name, "u") for name in ("solar_2023_us.gz", "solar_2022_us.gz", "Solar_2021_global.gz")]


@pytest.mark.parametrize(
    ("pattern", "count"), [(None, 3), ("*", 3), ("*us*", 2), ("*US*", 2), ("solar_202[12]*", 2), ("*.gz", 3)]
)
def test_patterns(pattern, count):
    assert len(select_files(FILES, pattern)) == count


def test_the_error_for_a_pattern_without_match_lists_the_names():
    with pytest.raises(ArgumentError, match=r"`files='us'`: matches none of: solar_2023_us.gz, .*global.gz"):
        select_files(FILES, "us")


@given(st.text())
def test_any_stated_checksum_is_used_or_ignored(text):
    from solarseg.download.listing import _checksum

    assert re.fullmatch(r"(md5|sha1|sha256|sha512):[0-9a-f]+", _checksum(text) or f"md5:{MD5}")
    assert _checksum(f"MD5:{MD5.upper()}") == f"md5:{MD5}"
    assert _checksum(f"sha256:{MD5}") is None
