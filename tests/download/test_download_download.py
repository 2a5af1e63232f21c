import hashlib
import io
import json
import os
import ssl
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import namedtuple
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug import Response

from solarseg import __version__, files
from solarseg.download import fetch as fetching
from solarseg.download.catalogue import find_set
from solarseg.download.download import download, download_set
from solarseg.download.fetch import fetch
from solarseg.download.listing import RemoteFile
from solarseg.download.web import Web, _wait_asked
from solarseg.errors import ArgumentError, DataError, MissingExtraError, OutputError
from solarseg.files import folder_lock

CONTENT = bytes(range(256)) * 2000  # more than one network buffer
OTHER = CONTENT[::-1]


def md5(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"


class Host:
    """A file at a server, and what the server does to those who ask for it, one after another."""

    def __init__(self, server, content=CONTENT, etag='"one"', ranges=True, path="/file.bin"):
        self.content, self.etag, self.ranges = content, etag, ranges
        self.url = server.url_for(path)
        self.script = []  # what is done first; then the file is served as it should be
        self.asked = []  # headers of the requests
        self.sent = 0  # bytes
        server.expect_request(path).respond_with_handler(self.answer)

    def answer(self, request):
        self.asked.append(dict(request.headers))
        return self.script.pop(0)(request) if self.script else self.serve(request)

    def serve(self, request, *, at_most=None, **headers):
        """The file, or a part of it, of which only some bytes are sent before the connection is cut."""
        start, status, fields = 0, 200, {}
        same = request.headers.get("If-Range", self.etag) == self.etag
        if self.ranges and "Range" in request.headers and same:
            start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.content):
                return Response(status=416)
            status = 206
            fields["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        body = self.content[start:]
        fields |= {"Content-Length": str(len(body)), "ETag": self.etag}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {name: value for name, value in fields.items() if value is not None}
        return Response(self._counted(body[:at_most]), status, fields)

    def _counted(self, body):
        for at in range(0, len(body), 4096):
            self.sent += len(body[at : at + 4096])
            yield body[at : at + 4096]

    def cut(self, at_most):
        return lambda request: self.serve(request, at_most=at_most)

    def file(self, **known):
        return RemoteFile("file.bin", self.url, **{"size": len(CONTENT), "checksum": md5(CONTENT), **known})


def status(number, **headers):
    return lambda _: Response(
        status=number, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def waits():
    return []


@pytest.fixture
def web(waits):
    with Web(sleep=waits.append, timeout=10) as web:
        yield web


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole(httpserver, web, tmp_path):
    host, seen = Host(httpserver), []
    path = fetch(host.file(), tmp_path, web, lambda *now: seen.append(now))
    assert path.read_bytes() == CONTENT
    assert left(tmp_path) == ["file.bin"]
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT))
    assert host.asked[0]["User-Agent"] == f"solarseg/{__version__}"
    assert host.asked[0]["Accept-Encoding"] == "identity"


def test_cut_connections_are_taken_up_where_they_were_cut(httpserver, web, waits, tmp_path):
    host = Host(httpserver)
    host.script = [host.cut(100_000), host.cut(1), host.cut(200_000)]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == len(CONTENT)  # nothing twice
    assert [asked.get("Range") for asked in host.asked] == [
        None,
        "bytes=100000-",
        "bytes=100001-",
        "bytes=300001-",
    ]
    assert {asked["If-Range"] for asked in host.asked[1:]} == {'"one"'}
    assert len(waits) == 3


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 70_000), max_size=5), ranges=st.booleans(), length=st.integers(0, 200_000)
)
def test_however_it_is_cut_the_file_is_right(httpserver, tmp_path_factory, cuts, ranges, length):
    httpserver.clear()
    content = (CONTENT * 2)[:length]
    host = Host(httpserver, content, ranges=ranges)
    host.script = [host.cut(at) for at in cuts]
    with Web(sleep=lambda _: None) as web:
        file = fetch(host.file(size=length, checksum=None), tmp_path_factory.mktemp("to"), web)
    assert file.read_bytes() == content
    if ranges:
        assert host.sent == length


def test_more_cuts_than_tries_do_no_harm_while_something_is_gained(httpserver, web, tmp_path):
    host = Host(httpserver)
    host.script = [host.cut(1000)] * 40
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == len(CONTENT)


def test_a_server_that_always_cuts_is_given_up_and_taken_up_later(httpserver, web, waits, tmp_path):
    host = Host(httpserver)
    host.script = [host.cut(5000), *[host.cut(0)] * 5]
    with pytest.raises(
        DataError, match=r"file.bin from localhost: .*6 times in a row; check the connection, and run"
    ):
        fetch(host.file(), tmp_path, web)
    assert len(host.asked) == 6 and len(waits) == 5
    for wait, longest in zip(waits, (1, 2, 4, 8, 16), strict=True):
        assert longest / 2 <= wait <= longest
    assert waits != [1, 2, 4, 8, 16]  # all who were cut off at once would come back at once
    assert left(tmp_path) == ["file.bin.part", "file.bin.part.json"]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == len(CONTENT)


def test_without_ranges_it_begins_anew_and_ends_all_the_same(httpserver, web, tmp_path):
    host = Host(httpserver, ranges=False)
    host.script = [host.cut(100_000)]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == 100_000 + len(CONTENT)
    host.script = [host.cut(100_000), host.cut(50_000)] * 7  # the same bytes over and over are no gain
    with pytest.raises(DataError, match="6 times in a row"):
        fetch(replace(host.file(), name="again.bin"), tmp_path, web)


@pytest.mark.parametrize("number", [429, 500, 502, 503, 504])
def test_what_passes_is_waited_for(httpserver, web, waits, tmp_path, number):
    host = Host(httpserver)
    host.script = [status(number), status(number)]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 3
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2


@pytest.mark.parametrize("number", [429, 503])
@pytest.mark.parametrize("wait", [0, 7])
def test_a_wait_that_is_asked_for_in_seconds_is_kept(httpserver, web, waits, tmp_path, number, wait):
    host = Host(httpserver)
    host.script = [status(number, Retry_After=str(wait))]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert waits == [wait]


def test_a_wait_that_is_asked_for_by_date_is_kept(httpserver, web, waits, tmp_path):
    host = Host(httpserver)
    date = datetime.now(UTC) + timedelta(minutes=5)
    host.script = [status(503, Retry_After=format_datetime(date, usegmt=True))]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert 200 < waits[0] <= 300


NOON = "Sun, 06 Nov 1994 12:00:00 GMT"


@pytest.mark.parametrize(
    ("date", "wait"),
    [
        ("Sun, 06 Nov 1994 12:00:42 GMT", 42),
        ("Sun, 06 Nov 1994 11:00:00 GMT", 0),
        ("Sun, 06 Nov 1994 14:00:42 +0200", 42),
        ("Sun, 06 Nov 1994 12:00:42", 42),
        ("Sunday, 06-Nov-94 12:01:00 GMT", 60),
        ("Sun Nov  6 12:01:00 1994", 60),
    ],
)
def test_dates_are_held_against_the_clock_of_the_server(date, wait):
    assert _wait_asked({"retry-after": date, "date": NOON}) == wait


def test_a_wait_of_hours_is_left_to_the_user(httpserver, web, waits, tmp_path):
    host = Host(httpserver)
    host.script = [status(429, Retry_After="7200")]
    with pytest.raises(DataError, match=r"asked to wait 7200 s; .* run the same command later"):
        fetch(host.file(), tmp_path, web)
    assert waits == [] and len(host.asked) == 1


@given(st.text())
def test_any_retry_after_is_read_or_passed_over(text):
    wait = _wait_asked({"retry-after": text})
    assert wait is None or wait >= 0


@pytest.mark.parametrize("number", [400, 401, 403, 404, 410, 451])
def test_what_does_not_pass_is_not_asked_for_again(httpserver, web, waits, tmp_path, number):
    host = Host(httpserver)
    host.script = [status(number)]
    with pytest.raises(DataError, match=rf"^file.bin from localhost: the server answered {number} .*page"):
        fetch(host.file(), tmp_path, web)
    assert len(host.asked) == 1 and waits == [] and left(tmp_path) == []


def test_a_wrong_checksum_is_fetched_once_more(httpserver, web, tmp_path):
    host = Host(httpserver)
    wrong = Host(httpserver, OTHER, path="/wrong")
    host.script = [wrong.serve]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 2 and "Range" not in host.asked[1]


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256", "sha512"])
def test_a_checksum_that_stays_wrong_is_an_error(httpserver, web, tmp_path, kind):
    host = Host(httpserver)
    right = f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()}"
    wrong = f"{kind}:{hashlib.new(kind, OTHER).hexdigest()}"
    with pytest.raises(DataError, match=rf"its {kind} is {right[len(kind) + 1 :]} where .* twice"):
        fetch(host.file(checksum=wrong), tmp_path, web)
    assert len(host.asked) == 2 and left(tmp_path) == []
    assert fetch(host.file(checksum=right), tmp_path, web).read_bytes() == CONTENT


@pytest.mark.parametrize("stated", [len(CONTENT) - 1, len(CONTENT) + 1, 0])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_size_that_is_a_lie_is_an_error(httpserver, web, tmp_path, stated, chunked):
    host = Host(httpserver)
    if chunked:  # no length is sent along
        host.script = [lambda request: host.serve(request, Content_Length=None)] * 20
    seen = []
    with pytest.raises(DataError, match=rf"{stated}.*, twice; it may have been changed"):
        fetch(host.file(size=stated, checksum=None), tmp_path, web, lambda *now: seen.append(now))
    assert left(tmp_path) == [] and bool(seen) == chunked  # nothing is read where the length tells


def test_more_than_was_stated_is_not_read_to_its_end(httpserver, web, tmp_path):
    sent = []

    def endless(_):
        return Response((sent.append(1) or bytes(65536) for _ in range(100_000)), 200)

    httpserver.expect_request("/endless").respond_with_handler(endless)
    file = RemoteFile("file.bin", httpserver.url_for("/endless"), size=100_000)
    with pytest.raises(DataError, match="holds more than the 100000 bytes stated"):
        fetch(file, tmp_path, web)
    assert len(sent) < 1000


def test_a_file_that_changed_between_two_tries_is_begun_anew(httpserver, web, tmp_path):
    host = Host(httpserver, OTHER)
    new = Host(httpserver, CONTENT, '"two"', path="/new")
    host.script = [host.cut(100_000), new.serve]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.asked[1]["If-Range"] == '"one"'
    assert new.sent == len(CONTENT)


def test_a_part_of_another_version_is_never_joined(httpserver, web, tmp_path):
    """By a server that does not heed If-Range."""
    host = Host(httpserver, OTHER)
    new = Host(httpserver, CONTENT, '"two"', path="/new")

    def heedless(request):
        request.environ.pop("HTTP_IF_RANGE", None)
        return new.serve(request)

    host.script = [host.cut(100_000), heedless, new.serve]
    file = host.file(checksum=None)  # only the ETags tell
    assert fetch(file, tmp_path, web).read_bytes() == CONTENT
    assert [("Range" in asked) for asked in host.asked] == [False, True, False]


def test_other_content_under_the_same_etag_is_caught_by_the_checksum(httpserver, web, tmp_path):
    host = Host(httpserver, OTHER)

    def changed(request):
        host.content = CONTENT
        return host.serve(request)

    host.script = [host.cut(100_000), changed]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 3


@pytest.mark.parametrize("number", [412, 416])
def test_a_range_that_is_refused_is_begun_anew(httpserver, web, waits, tmp_path, number):
    host = Host(httpserver)
    host.script = [host.cut(100_000), status(number)]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert waits[1:] == [0]
    assert "Range" not in host.asked[2]


@pytest.mark.parametrize("total", ["*", "9" * 5000])
def test_a_part_may_leave_open_what_the_whole_is(httpserver, web, tmp_path, total):
    host = Host(httpserver)
    host.script = [
        host.cut(100_000),
        lambda request: host.serve(request, Content_Range=f"bytes 100000-511999/{total}"),
    ]
    assert fetch(host.file(checksum=None), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 2


@pytest.mark.parametrize(
    "range_sent",
    [
        *("bytes 5-511999/512000", "bytes 100000-511998/511999", f"bytes {'9' * 5000}-5/6", "nonsense", None),
    ],
)
def test_a_part_that_does_not_fit_is_not_taken(httpserver, web, tmp_path, range_sent):
    host = Host(httpserver)
    host.script = [
        host.cut(100_000),
        lambda request: host.serve(request, Content_Range=range_sent),
    ]
    assert fetch(host.file(checksum=None), tmp_path, web).read_bytes() == CONTENT
    assert "Range" not in host.asked[2]


@pytest.mark.parametrize("known", [{}, {"size": None, "checksum": None}])
def test_a_server_may_send_a_range_in_slices(httpserver, web, tmp_path, known):
    """Also of a file whose length was not known when it was begun."""
    host = Host(httpserver)

    def slice_of(request):
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        body = CONTENT[start : start + 30_000]
        sent = f"bytes {start}-{start + len(body) - 1}/{len(CONTENT)}"
        return Response(body, 206, {"Content-Range": sent, "ETag": host.etag})

    leave_part(tmp_path, host.file(**known), CONTENT[:10_000], host.etag)
    host.script = [slice_of] * 20
    assert fetch(host.file(**known), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 17


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_what_cannot_be_told_apart_is_not_joined(httpserver, web, tmp_path, etag):
    host = Host(httpserver)
    host.script = [lambda request: host.serve(request, at_most=100_000, ETag=etag)]
    assert fetch(host.file(checksum=None), tmp_path, web).read_bytes() == CONTENT
    assert "Range" not in host.asked[1]


def test_a_date_tells_versions_apart_too(httpserver, web, tmp_path):
    host = Host(httpserver, etag=NOON)  # what If-Range is compared with
    host.script = [lambda request: host.serve(request, at_most=100_000, ETag=None, Last_Modified=NOON)]
    assert fetch(host.file(checksum=None), tmp_path, web).read_bytes() == CONTENT
    assert host.asked[1]["If-Range"] == NOON and host.sent == len(CONTENT)


@pytest.mark.parametrize("known", [{}, {"size": None, "checksum": None}])
def test_stopped_by_hand_it_goes_on_with_what_is_missing(httpserver, web, tmp_path, known):
    host = Host(httpserver)
    file = host.file(**known)

    def stop(have, _):
        if have > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, tmp_path, web, stop)
    have = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < have < len(CONTENT)
    seen = []
    assert fetch(file, tmp_path, web, lambda *now: seen.append(now)).read_bytes() == CONTENT
    assert host.asked[1]["Range"] == f"bytes={have}-"
    assert seen[0] == (have, len(CONTENT))


def test_killed_in_the_middle_it_goes_on_with_what_is_missing(httpserver, web, tmp_path):
    host = Host(httpserver)

    def slow(request):
        response = host.serve(request)
        body = response.response
        response.response = (time.sleep(0.02) or chunk for chunk in body)
        return response

    host.script = [slow]
    program = (
        "import sys; from pathlib import Path; from solarseg.download.fetch import fetch\n"
        "from solarseg.download.listing import RemoteFile; from solarseg.download.web import Web\n"
        f"fetch(RemoteFile('file.bin', {host.url!r}, {len(CONTENT)}, {md5(CONTENT)!r}), Path({str(tmp_path)!r}), Web())"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    part = tmp_path / "file.bin.part"
    try:
        while not (part.exists() and part.stat().st_size > 50_000):
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    have = part.stat().st_size
    host.sent = 0
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.asked[1]["Range"] == f"bytes={have}-"
    assert left(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(
    "note",
    ["", "[]", "nonsense", "[" * 100_000, '{"url": "http://elsewhere/", "validator": "x"}', None],
)
def test_a_part_of_who_knows_what_is_not_gone_on_with(httpserver, web, tmp_path, note):
    host = Host(httpserver)
    (tmp_path / "file.bin.part").write_bytes(OTHER[:1000])
    if note is not None:
        (tmp_path / "file.bin.part.json").write_text(note)
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 1 and "Range" not in host.asked[0]


def leave_part(folder, file, content, validator):
    """What is left of a download that was cut."""
    (folder / "file.bin.part").write_bytes(content)
    note = {
        "url": file.url,
        "size": file.size,
        "checksum": file.checksum,
        "length": file.size,
        "validator": validator,
    }
    (folder / "file.bin.part.json").write_text(json.dumps(note))


def test_a_part_with_all_its_bytes_is_checked_and_not_fetched(httpserver, web, tmp_path):
    host = Host(httpserver)
    leave_part(tmp_path, host.file(), CONTENT, None)
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.asked == []


def test_a_finished_file_is_checked_and_kept(httpserver, web, tmp_path):
    host = Host(httpserver)
    (tmp_path / "file.bin").write_bytes(CONTENT)
    seen = []
    fetch(host.file(), tmp_path, web, lambda *now: seen.append(now))
    fetch(host.file(size=None, checksum=None), tmp_path, web)
    assert host.asked == [] and seen == [(len(CONTENT), len(CONTENT))]


@pytest.mark.parametrize(("content", "match"), [(OTHER, "its md5 is"), (b"short", "holds 5 bytes")])
def test_another_file_of_the_name_is_left_alone(httpserver, web, tmp_path, content, match):
    host = Host(httpserver)
    (tmp_path / "file.bin").write_bytes(content)
    with pytest.raises(OutputError, match=rf"is there already, but {match}.*remove it"):
        fetch(host.file(), tmp_path, web)
    assert (tmp_path / "file.bin").read_bytes() == content and host.asked == []


def test_an_archive_made_when_asked_for_has_no_size_and_arrives_all_the_same(httpserver, web, tmp_path):
    host = Host(httpserver, etag='W/"weak"', ranges=False)
    chunked = lambda request, **more: host.serve(request, Content_Length=None, **more)  # noqa: E731
    host.script = [chunked]
    assert fetch(host.file(size=None, checksum=None), tmp_path, web).read_bytes() == CONTENT


def test_bytes_are_kept_as_they_are_sent(httpserver, web, tmp_path):
    """Servers call gzip files "Content-Encoding: gzip", which would have them unpacked on the way."""
    content = os.urandom(1000)  # would not even unpack
    host = Host(httpserver, content)
    host.script = [lambda request: host.serve(request, Content_Encoding="gzip")]
    file = host.file(size=1000, checksum=md5(content))
    assert fetch(file, tmp_path, web).read_bytes() == content


def test_a_disk_that_is_full_leaves_the_part(httpserver, web, tmp_path, monkeypatch):
    host = Host(httpserver)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(fetching, "_LOOK_AGAIN", 100_000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(OutputError, match="free space or choose another folder"):
        fetch(host.file(), tmp_path, web)
    assert 0 < (tmp_path / "file.bin.part").stat().st_size < len(CONTENT)


def test_a_folder_that_cannot_be_written_to_is_named(httpserver, web, tmp_path):
    host = Host(httpserver)
    (tmp_path / "file.bin.part").mkdir()
    with pytest.raises(OutputError, match=r"file.bin: could not be written"):
        fetch(host.file(), tmp_path, web)


def redirect(where, number=302):
    return lambda _: Response(status=number, headers={"Location": where})


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
def test_redirects_are_followed(httpserver, web, tmp_path, number):
    host = Host(httpserver)
    httpserver.expect_request("/old").respond_with_handler(redirect(host.url, number))
    host.script = [host.cut(100_000)]
    file = replace(host.file(), url=httpserver.url_for("/old"))
    assert fetch(file, tmp_path, web).read_bytes() == CONTENT
    assert host.asked[1]["Range"] == "bytes=100000-"  # also through the redirect


def test_redirects_that_never_end_are_given_up(httpserver, web, waits, tmp_path):
    httpserver.expect_request("/round").respond_with_handler(redirect("/round"))
    with pytest.raises(DataError, match="more than 10 times"):
        fetch(RemoteFile("file.bin", httpserver.url_for("/round")), tmp_path, web)
    assert waits == [] and len(httpserver.log) == 11


def use(web, answer):
    """Let a function answer in place of the network."""
    web._client = httpx.Client(transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("where", ["http://b.org/", "ftp://b.org/", "file:///etc/passwd"])
def test_nothing_leads_from_https_to_less(web, waits, tmp_path, where):
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": where})

    use(web, answer)
    with pytest.raises(DataError, match="from https to"):
        fetch(RemoteFile("file.bin", "https://a.org/"), tmp_path, web)
    assert asked == ["https://a.org/"] and waits == []


def test_a_certificate_that_is_not_trusted_is_not_tried_again(web, waits, tmp_path):
    def answer(request):
        try:
            raise ssl.SSLCertVerificationError("self-signed certificate")
        except ssl.SSLError as error:
            raise httpx.ConnectError(str(error), request=request) from error

    use(web, answer)
    with pytest.raises(DataError, match=r"not trusted \(.*self-signed certificate.*SSL_CERT_FILE"):
        fetch(RemoteFile("file.bin", "https://a.org/"), tmp_path, web)
    assert waits == []


@pytest.mark.parametrize("url", ["nonsense", "gopher://a.org/x", "http:///x", "http://a:b/"])
def test_an_address_that_is_none_is_said(web, waits, tmp_path, url):
    with pytest.raises(DataError, match=r"^file.bin from .*check the address"):
        fetch(RemoteFile("file.bin", url), tmp_path, web)
    assert waits == []


def test_nobody_there_is_tried_again_and_said(web, waits, tmp_path):
    with pytest.raises(DataError, match="no connection"):
        fetch(RemoteFile("file.bin", "http://127.0.0.1:1/file.bin"), tmp_path, web)
    assert len(waits) == 5


def test_a_server_that_falls_silent_is_asked_again(httpserver, tmp_path):
    host = Host(httpserver)

    def silent(request):
        time.sleep(1)
        return host.serve(request)

    host.script = [silent]
    with Web(sleep=lambda _: None, timeout=0.2) as web:
        assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) >= 2  # this server answers one after another


def test_the_proxy_of_the_environment_is_used(httpserver, tmp_path, monkeypatch):
    host = Host(httpserver)
    monkeypatch.setenv("HTTP_PROXY", httpserver.url_for(""))
    with Web(sleep=lambda _: None) as web:
        file = replace(host.file(), url="http://nowhere.invalid/file.bin")
        assert fetch(file, tmp_path, web).read_bytes() == CONTENT
    assert host.asked[0]["Host"] == "nowhere.invalid"
    monkeypatch.setenv("NO_PROXY", "nowhere.invalid")
    with Web(sleep=lambda _: None) as web, pytest.raises(DataError, match="no connection"):
        fetch(replace(file, name="other"), tmp_path, web)


@pytest.mark.parametrize(
    ("name", "value"), [("HTTP_PROXY", "nonsense://x"), ("SSL_CERT_FILE", "/no/such/file")]
)
def test_settings_that_cannot_be_used_are_said(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ArgumentError, match=r"the environment's proxy or certificates"):
        Web()


def test_without_the_extra_the_install_command_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"solarseg\[data\]"):
        download("elpv", tmp_path)


# Whole sets


class Zenodo:
    """A stand-in of a record: its answer, and its files."""

    def __init__(self, server, files):
        self.hosts = {
            name: Host(server, content, path=f"/f/{name}/content") for name, content in files.items()
        }
        listed = [
            {
                "key": name,
                "size": len(content),
                "checksum": md5(content),
                "links": {"self": self.hosts[name].url},
            }
            for name, content in files.items()
        ]
        record = {"id": 1, "metadata": {"license": {"id": "cc-by-4.0"}}, "files": listed}
        server.expect_request("/api/records/1").respond_with_json(record)
        self.entry = replace(find_set("glosofarid"), address=server.url_for("/api/records/1"))

    @property
    def asked(self):
        return {name: len(host.asked) for name, host in self.hosts.items()}


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.read_bytes()


YEARS = {"solar_2023_us.tfrecord.gz": b"us", "solar_2021_global.tfrecord.gz": b"global" * 1000}


def test_a_set_is_fetched_and_fetched_only_once(httpserver, web, tmp_path):
    zenodo, to = Zenodo(httpserver, YEARS), tmp_path / "a" / "b"
    done = download_set(zenodo.entry, to, web)
    assert {file.name: file.read_bytes() for file in done.files} == YEARS
    assert (done.licence, done.unpacked) == ("cc-by-4.0", ())
    assert left(to) == sorted(YEARS)
    download_set(zenodo.entry, to, web, progress=True)
    assert zenodo.asked == dict.fromkeys(YEARS, 1)


def test_a_pattern_chooses_files(httpserver, web, tmp_path):
    zenodo = Zenodo(httpserver, YEARS)
    done = download_set(zenodo.entry, tmp_path, web, files="*US*")
    assert [file.name for file in done.files] == ["solar_2023_us.tfrecord.gz"]
    with pytest.raises(
        ArgumentError, match=r"--files '\*\.zip': fits none of: solar_2023_us.tfrecord.gz, solar_2021"
    ):
        download_set(zenodo.entry, tmp_path, web, files="*.zip")


def test_room_is_looked_for_before_anything_is_fetched(httpserver, web, tmp_path, monkeypatch):
    zenodo = Zenodo(httpserver, YEARS)
    reserve = files._RESERVE
    free = reserve + 6001
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage(0, 0, free))
    with pytest.raises(OutputError, match=r"needs 6.0 kB and 268.4 MB to spare, 268.4 MB are free"):
        download_set(zenodo.entry, tmp_path / "to", web)
    assert zenodo.asked == dict.fromkeys(YEARS, 0) and not (tmp_path / "to").exists()
    free = reserve + 6002
    download_set(zenodo.entry, tmp_path / "to", web)
    free = reserve  # what is there needs no more room
    download_set(zenodo.entry, tmp_path / "to", web)
    (tmp_path / "to" / "solar_2021_global.tfrecord.gz").rename(
        tmp_path / "to" / "solar_2021_global.tfrecord.gz.part"
    )
    download_set(zenodo.entry, tmp_path / "to", web)


def test_two_downloads_do_not_write_to_one_folder(httpserver, web, tmp_path):
    zenodo = Zenodo(httpserver, YEARS)
    with folder_lock(tmp_path), pytest.raises(OutputError, match="another command writes to it"):
        download_set(zenodo.entry, tmp_path, web)
    assert zenodo.asked == dict.fromkeys(YEARS, 0)
    assert len(download_set(zenodo.entry, tmp_path, web).files) == 2


def test_a_folder_that_is_a_file_is_said(httpserver, web, tmp_path):
    zenodo = Zenodo(httpserver, YEARS)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArgumentError, match="file: is a file; give a folder"):
        download_set(zenodo.entry, tmp_path / "file", web)
    with pytest.raises(OutputError, match="deeper: cannot be made"):
        download_set(zenodo.entry, tmp_path / "file" / "deeper", web)
    assert not httpserver.log  # before anybody is asked


def test_a_folder_that_stays_empty_is_not_left(httpserver, web, tmp_path):
    host = Host(httpserver, path="/o/elpv-dataset/zip/x/master")
    host.script = [status(404)] * 2
    entry = replace(find_set("elpv"), address=host.url)
    (tmp_path / "mine").mkdir()
    for name in ("to", "mine"):
        with pytest.raises(DataError, match="the server answered 404"):
            download_set(entry, tmp_path / name, web)
    assert left(tmp_path) == ["mine"]


def test_archives_are_unpacked_beside_themselves(httpserver, web, tmp_path):
    content = zipped(tmp_path / "x.zip", {"PV01/a.bmp": b"a", "PV01/a_label.bmp": b"b"})
    zenodo, to = Zenodo(httpserver, {"PV01.zip": content, "readme.txt": b"text"}), tmp_path / "to"
    packed = download_set(zenodo.entry, to, web, unpack=False)
    assert packed.unpacked == () and left(to) == ["PV01.zip", "readme.txt"]
    for _ in range(2):  # the second time it is there already
        done = download_set(zenodo.entry, to, web)
        assert done.unpacked == (to / "PV01",)
        assert (to / "PV01" / "PV01" / "a_label.bmp").read_bytes() == b"b"
    assert zenodo.asked == {"PV01.zip": 1, "readme.txt": 1}


def test_an_archive_of_a_repository_is_fetched_and_unpacked(httpserver, web, tmp_path):
    """A stand-in of ELPV: one zip made when asked for, of no known size."""
    labels = "images/cell0001.png  1.0 mono\n"
    files = {"elpv-dataset-master/labels.csv": labels, "elpv-dataset-master/images/cell0001.png": b"png"}
    host = Host(
        httpserver,
        zipped(tmp_path / "x.zip", files),
        'W/"w"',
        ranges=False,
        path="/o/elpv-dataset/zip/x/master",
    )
    host.script = [lambda request: host.serve(request, at_most=50, Content_Length=None)]
    entry = replace(find_set("elpv"), address=host.url)
    done = download_set(entry, tmp_path / "to", web)  # nothing but the archive told that it was cut
    assert len(host.asked) == 2
    assert (done.unpacked[0] / "elpv-dataset-master" / "labels.csv").read_text() == labels
    assert done.licence is None


def packed(path, mode):
    with tarfile.open(path, mode) as archive:
        for name in ("a.png", "b.png"):
            member = tarfile.TarInfo(name)
            member.size = 5000
            archive.addfile(member, io.BytesIO(bytes(5000)))
    return path.read_bytes()


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz"])
@pytest.mark.parametrize("at_most", [0, 30, -1, -10])
def test_an_archive_for_which_nothing_vouches_takes_its_name_only_when_it_is_whole(
    httpserver, web, tmp_path, name, at_most
):
    if name == "x.zip":
        content = zipped(tmp_path / name, {"a.png": bytes(5000)})
    else:
        content = packed(tmp_path / name, f"w:{name[6:]}")
    if name == "x.tar" and at_most < 0:  # it ends in padding that says nothing
        at_most = 10 * 512
    (tmp_path / name).unlink()
    host = Host(httpserver, content, None, ranges=False)
    cut = [lambda request: host.serve(request, at_most=at_most, Content_Length=None)]
    remote = RemoteFile(name, host.url)
    host.script = cut * 2
    with pytest.raises(DataError, match=rf"{name} from localhost: .*, twice; it may have been changed"):
        fetch(remote, tmp_path, web)
    assert left(tmp_path) == []
    host.script = cut
    assert fetch(remote, tmp_path, web).read_bytes() == content
    host.script = [lambda request: host.serve(request, at_most=at_most, Content_Length=None)]
    checked = replace(remote, checksum=md5(content[:at_most]))  # what the source vouches for is the source's
    (tmp_path / name).unlink()
    assert fetch(checked, tmp_path, web).read_bytes() == content[:at_most]


def test_an_archive_that_would_be_refused_is_no_damaged_one(httpserver, web, tmp_path):
    """It is fetched, and refused when it is unpacked, by its name."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("../x.png"))
    host = Host(httpserver, path.read_bytes(), path="/o/x/tar")
    path.unlink()
    assert fetch(RemoteFile("x.tar", host.url), tmp_path, web) == path


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_instead_of_a_file_is_said_and_costs_nothing(httpserver, web, waits, tmp_path, kind):
    host = Host(httpserver)
    host.script = [host.cut(100_000), lambda _: Response("<html>Log in</html>", 200, {"Content-Type": kind})]
    with pytest.raises(DataError, match=r"file.bin from localhost: a web page was sent instead; see in a"):
        fetch(host.file(), tmp_path, web)
    assert (tmp_path / "file.bin.part").stat().st_size == 100_000
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == len(CONTENT)


def test_pages_are_files_too(httpserver, web, tmp_path):
    host = Host(httpserver)
    host.script = [lambda request: host.serve(request, Content_Type="text/html")]
    assert fetch(replace(host.file(), name="about.html"), tmp_path, web).read_bytes() == CONTENT


@pytest.mark.parametrize("answer", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_a_proxy_that_is_busy_is_asked_again(web, waits, tmp_path, answer):
    content = [httpx.ProxyError(answer), httpx.ProxyError(answer), CONTENT]

    def play(request):
        said = content.pop(0)
        if isinstance(said, Exception):
            raise said
        return httpx.Response(200, content=iter([said]))

    use(web, play)
    file = RemoteFile("file.bin", "https://a.org/", len(CONTENT))
    assert fetch(file, tmp_path, web).read_bytes() == CONTENT
    assert len(waits) == 2


def test_a_proxy_that_refuses_is_not_asked_again(web, waits, tmp_path):
    def refuse(request):
        raise httpx.ProxyError("407 Proxy Authentication Required")

    use(web, refuse)
    with pytest.raises(DataError, match=r"the proxy refused .407 Proxy Auth.*check HTTP_PROXY"):
        fetch(RemoteFile("file.bin", "https://a.org/"), tmp_path, web)
    assert waits == []


def test_two_archives_that_would_be_unpacked_to_one_folder_are_refused_first(httpserver, web, tmp_path):
    files = {"a.zip": zipped(tmp_path / "x.zip", {"1": b"1"}), "a.tar.gz": packed(tmp_path / "x", "w:gz")}
    zenodo = Zenodo(httpserver, files)
    with pytest.raises(
        ArgumentError, match=r"^a.zip and a.tar.gz: would be unpacked to one folder; .*--no-unpack$"
    ):
        download_set(zenodo.entry, tmp_path / "to", web)
    assert zenodo.asked == dict.fromkeys(files, 0)
    assert download_set(zenodo.entry, tmp_path / "to", web, files="*.zip").unpacked == (
        tmp_path / "to" / "a",
    )
    assert len(download_set(zenodo.entry, tmp_path / "also", web, unpack=False).files) == 2


def test_what_a_killed_unpacking_left_is_gone(httpserver, web, tmp_path):
    zenodo = Zenodo(httpserver, {"a.zip": zipped(tmp_path / "x.zip", {"1": b"1"})})
    to = tmp_path / "to"
    (to / ".0123456789ab" / "deep").mkdir(parents=True)
    (to / ".0123456789ab" / "deep" / "1").write_bytes(b"half")
    (to / ".mine").mkdir()
    download_set(zenodo.entry, to, web)
    assert left(to) == [".mine", "a", "a.zip"]


def test_download_takes_sets_of_the_catalogue(tmp_path):
    with pytest.raises(ArgumentError, match="unknown set 'imagenet'; choose one of: glosofarid"):
        download("imagenet", tmp_path)
