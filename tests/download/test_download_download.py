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
from solarseg.download.catalogue import find_public_dataset
from solarseg.download.download import download, download_dataset
from solarseg.download.fetch import fetch
from solarseg.download.listing import RemoteFile
from solarseg.download.web import WebClient, _requested_wait
from solarseg.errors import ArgumentError, DataError, MissingExtraError, OutputError
from solarseg.files import folder_lock

CONTENT = bytes(range(256)) * 2000  # more than one network buffer
OTHER = CONTENT[::-1]


def md5(content):
    return f"md5:{hashlib.md5(content).hexdigest()}"


class Host:
    """A file on a server, and the responses of the server to consecutive requests."""

    def __init__(self, server, content=CONTENT, etag='"one"', ranges=True, path="/file.bin"):
        self.content, self.etag, self.ranges = content, etag, ranges
        self.url = server.url_for(path)
        self.script = []  # the first responses; then the file is served normally
        self.asked = []  # headers of the requests
        self.sent = 0  # bytes
        server.expect_request(path).respond_with_handler(self.answer)

    def answer(self, request):
        self.asked.append(dict(request.headers))
        return self.script.pop(0)(request) if self.script else self.serve(request)

    def serve(self, request, *, at_most=None, **headers):
        """Send the file or a range of it, and close the connection after some bytes."""
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

    def interrupt(self, at_most):
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
    with WebClient(sleep=waits.append, timeout=10) as web:
        yield web


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_downloaded(httpserver, web, tmp_path):
    host, seen = Host(httpserver), []
    path = fetch(host.file(), tmp_path, web, lambda *now: seen.append(now))
    assert path.read_bytes() == CONTENT
    assert left(tmp_path) == ["file.bin"]
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT))
    assert host.asked[0]["User-Agent"] == f"solarseg/{__version__}"
    assert host.asked[0]["Accept-Encoding"] == "identity"


def test_interrupted_connections_are_resumed(httpserver, web, waits, tmp_path):
    host = Host(httpserver)
    host.script = [host.interrupt(100_000), host.interrupt(1), host.interrupt(200_000)]
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
    interruptions=st.lists(st.integers(0, 70_000), max_size=5),
    ranges=st.booleans(),
    length=st.integers(0, 200_000),
)
def test_the_file_is_right_after_any_interruptions(
    httpserver, tmp_path_factory, interruptions, ranges, length
):
    httpserver.clear()
    content = (CONTENT * 2)[:length]
    host = Host(httpserver, content, ranges=ranges)
    host.script = [host.interrupt(at) for at in interruptions]
    with WebClient(sleep=lambda _: None) as web:
        file = fetch(host.file(size=length, checksum=None), tmp_path_factory.mktemp("to"), web)
    assert file.read_bytes() == content
    if ranges:
        assert host.sent == length


def test_more_interruptions_than_attempts_are_allowed_while_there_is_progress(httpserver, web, tmp_path):
    host = Host(httpserver)
    host.script = [host.interrupt(1000)] * 40
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == len(CONTENT)


def test_a_server_that_always_interrupts_ends_in_an_error_and_is_resumed_later(
    httpserver, web, waits, tmp_path
):
    host = Host(httpserver)
    host.script = [host.interrupt(5000), *[host.interrupt(0)] * 5]
    with pytest.raises(
        DataError, match=r"file.bin from localhost: .*6 times in a row; check the connection, and run"
    ):
        fetch(host.file(), tmp_path, web)
    assert len(host.asked) == 6 and len(waits) == 5
    for wait, longest in zip(waits, (1, 2, 4, 8, 16), strict=True):
        assert longest / 2 <= wait <= longest
    assert waits != [1, 2, 4, 8, 16]  # clients must not retry all at once
    assert left(tmp_path) == ["file.bin.part", "file.bin.part.json"]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == len(CONTENT)


def test_without_ranges_the_download_starts_again_and_succeeds(httpserver, web, tmp_path):
    host = Host(httpserver, ranges=False)
    host.script = [host.interrupt(100_000)]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == 100_000 + len(CONTENT)
    host.script = [
        host.interrupt(100_000),
        host.interrupt(50_000),
    ] * 7  # the same bytes again are no progress
    with pytest.raises(DataError, match="6 times in a row"):
        fetch(replace(host.file(), name="again.bin"), tmp_path, web)


@pytest.mark.parametrize("number", [429, 500, 502, 503, 504])
def test_temporary_errors_are_retried(httpserver, web, waits, tmp_path, number):
    host = Host(httpserver)
    host.script = [status(number), status(number)]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 3
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2


@pytest.mark.parametrize("number", [429, 503])
@pytest.mark.parametrize("wait", [0, 7])
def test_a_requested_wait_in_seconds_is_kept(httpserver, web, waits, tmp_path, number, wait):
    host = Host(httpserver)
    host.script = [status(number, Retry_After=str(wait))]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert waits == [wait]


def test_a_requested_wait_until_a_date_is_kept(httpserver, web, waits, tmp_path):
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
def test_dates_are_compared_with_the_clock_of_the_server(date, wait):
    assert _requested_wait({"retry-after": date, "date": NOON}) == wait


def test_a_requested_wait_of_hours_is_an_error(httpserver, web, waits, tmp_path):
    host = Host(httpserver)
    host.script = [status(429, Retry_After="7200")]
    with pytest.raises(DataError, match=r"with a requested wait of 7200 s; .* run the same command later"):
        fetch(host.file(), tmp_path, web)
    assert waits == [] and len(host.asked) == 1


@given(st.text())
def test_any_retry_after_is_read_or_ignored(text):
    wait = _requested_wait({"retry-after": text})
    assert wait is None or wait >= 0


@pytest.mark.parametrize("number", [400, 401, 403, 404, 410, 451])
def test_permanent_errors_are_not_retried(httpserver, web, waits, tmp_path, number):
    host = Host(httpserver)
    host.script = [status(number)]
    with pytest.raises(DataError, match=rf"^file.bin from localhost: the server answered {number} .*page"):
        fetch(host.file(), tmp_path, web)
    assert len(host.asked) == 1 and waits == [] and left(tmp_path) == []


def test_a_file_with_a_wrong_checksum_is_downloaded_once_more(httpserver, web, tmp_path):
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
def test_a_wrong_stated_size_is_an_error(httpserver, web, tmp_path, stated, chunked):
    host = Host(httpserver)
    if chunked:  # no length is sent along
        host.script = [lambda request: host.serve(request, Content_Length=None)] * 20
    seen = []
    with pytest.raises(DataError, match=rf"{stated}.*, twice; it may have changed"):
        fetch(host.file(size=stated, checksum=None), tmp_path, web, lambda *now: seen.append(now))
    assert left(tmp_path) == [] and bool(seen) == chunked  # nothing is read if the stated length differs


def test_a_file_longer_than_stated_is_not_read_to_its_end(httpserver, web, tmp_path):
    sent = []

    def endless(_):
        return Response((sent.append(1) or bytes(65536) for _ in range(100_000)), 200)

    httpserver.expect_request("/endless").respond_with_handler(endless)
    file = RemoteFile("file.bin", httpserver.url_for("/endless"), size=100_000)
    with pytest.raises(DataError, match="is longer than the stated 100000 bytes"):
        fetch(file, tmp_path, web)
    assert len(sent) < 1000


def test_a_file_that_changed_between_two_attempts_is_started_again(httpserver, web, tmp_path):
    host = Host(httpserver, OTHER)
    new = Host(httpserver, CONTENT, '"two"', path="/new")
    host.script = [host.interrupt(100_000), new.serve]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.asked[1]["If-Range"] == '"one"'
    assert new.sent == len(CONTENT)


def test_a_part_of_another_version_is_never_joined(httpserver, web, tmp_path):
    """With a server that ignores If-Range."""
    host = Host(httpserver, OTHER)
    new = Host(httpserver, CONTENT, '"two"', path="/new")

    def without_if_range(request):
        request.environ.pop("HTTP_IF_RANGE", None)
        return new.serve(request)

    host.script = [host.interrupt(100_000), without_if_range, new.serve]
    file = host.file(checksum=None)  # only the ETags differ
    assert fetch(file, tmp_path, web).read_bytes() == CONTENT
    assert [("Range" in asked) for asked in host.asked] == [False, True, False]


def test_other_content_under_the_same_etag_is_caught_by_the_checksum(httpserver, web, tmp_path):
    host = Host(httpserver, OTHER)

    def changed(request):
        host.content = CONTENT
        return host.serve(request)

    host.script = [host.interrupt(100_000), changed]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 3


@pytest.mark.parametrize("number", [412, 416])
def test_a_refused_range_starts_the_download_again(httpserver, web, waits, tmp_path, number):
    host = Host(httpserver)
    host.script = [host.interrupt(100_000), status(number)]
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert waits[1:] == [0]
    assert "Range" not in host.asked[2]


@pytest.mark.parametrize("total", ["*", "9" * 5000])
def test_a_range_may_leave_the_total_length_open(httpserver, web, tmp_path, total):
    host = Host(httpserver)
    host.script = [
        host.interrupt(100_000),
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
def test_a_wrong_range_is_not_used(httpserver, web, tmp_path, range_sent):
    host = Host(httpserver)
    host.script = [
        host.interrupt(100_000),
        lambda request: host.serve(request, Content_Range=range_sent),
    ]
    assert fetch(host.file(checksum=None), tmp_path, web).read_bytes() == CONTENT
    assert "Range" not in host.asked[2]


@pytest.mark.parametrize("known", [{}, {"size": None, "checksum": None}])
def test_a_server_may_send_a_range_in_slices(httpserver, web, tmp_path, known):
    """Also for a file with a length that was unknown at the start."""
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
def test_parts_without_a_validator_are_not_joined(httpserver, web, tmp_path, etag):
    host = Host(httpserver)
    host.script = [lambda request: host.serve(request, at_most=100_000, ETag=etag)]
    assert fetch(host.file(checksum=None), tmp_path, web).read_bytes() == CONTENT
    assert "Range" not in host.asked[1]


def test_a_date_is_a_validator_too(httpserver, web, tmp_path):
    host = Host(httpserver, etag=NOON)  # what If-Range is compared with
    host.script = [lambda request: host.serve(request, at_most=100_000, ETag=None, Last_Modified=NOON)]
    assert fetch(host.file(checksum=None), tmp_path, web).read_bytes() == CONTENT
    assert host.asked[1]["If-Range"] == NOON and host.sent == len(CONTENT)


@pytest.mark.parametrize("known", [{}, {"size": None, "checksum": None}])
def test_a_download_stopped_by_hand_is_resumed(httpserver, web, tmp_path, known):
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


def test_a_killed_download_is_resumed(httpserver, web, tmp_path):
    host = Host(httpserver)

    def slow(request):
        response = host.serve(request)
        body = response.response
        response.response = (time.sleep(0.02) or chunk for chunk in body)
        return response

    host.script = [slow]
    program = (
        "import sys; from pathlib import Path; from solarseg.download.fetch import fetch\n"
        "from solarseg.download.listing import RemoteFile; from solarseg.download.web import WebClient\n"
        f"file = RemoteFile('file.bin', {host.url!r}, {len(CONTENT)}, {md5(CONTENT)!r})\n"
        f"fetch(file, Path({str(tmp_path)!r}), WebClient())"
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
def test_a_part_of_unknown_origin_is_not_resumed(httpserver, web, tmp_path, note):
    host = Host(httpserver)
    (tmp_path / "file.bin.part").write_bytes(OTHER[:1000])
    if note is not None:
        (tmp_path / "file.bin.part.json").write_text(note)
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) == 1 and "Range" not in host.asked[0]


def leave_part(folder, file, content, validator):
    """Write the files of an interrupted download."""
    (folder / "file.bin.part").write_bytes(content)
    note = {
        "url": file.url,
        "size": file.size,
        "checksum": file.checksum,
        "length": file.size,
        "validator": validator,
    }
    (folder / "file.bin.part.json").write_text(json.dumps(note))


def test_a_complete_part_is_checked_and_not_downloaded(httpserver, web, tmp_path):
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


@pytest.mark.parametrize(("content", "match"), [(OTHER, "its md5 is"), (b"short", "has 5 bytes")])
def test_another_file_with_the_name_is_not_changed(httpserver, web, tmp_path, content, match):
    host = Host(httpserver)
    (tmp_path / "file.bin").write_bytes(content)
    with pytest.raises(OutputError, match=rf"exists already, but {match}.*remove it"):
        fetch(host.file(), tmp_path, web)
    assert (tmp_path / "file.bin").read_bytes() == content and host.asked == []


def test_an_archive_created_on_request_without_size_is_downloaded(httpserver, web, tmp_path):
    host = Host(httpserver, etag='W/"weak"', ranges=False)
    chunked = lambda request, **more: host.serve(request, Content_Length=None, **more)  # noqa: E731
    host.script = [chunked]
    assert fetch(host.file(size=None, checksum=None), tmp_path, web).read_bytes() == CONTENT


def test_content_encodings_are_not_decoded(httpserver, web, tmp_path):
    """Servers send gzip files with "Content-Encoding: gzip", which clients usually decode."""
    content = os.urandom(1000)  # not valid gzip
    host = Host(httpserver, content)
    host.script = [lambda request: host.serve(request, Content_Encoding="gzip")]
    file = host.file(size=1000, checksum=md5(content))
    assert fetch(file, tmp_path, web).read_bytes() == content


def test_a_disk_that_is_full_leaves_the_part(httpserver, web, tmp_path, monkeypatch):
    host = Host(httpserver)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(fetching, "_SPACE_CHECK_BYTES", 100_000)
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
    host.script = [host.interrupt(100_000)]
    file = replace(host.file(), url=httpserver.url_for("/old"))
    assert fetch(file, tmp_path, web).read_bytes() == CONTENT
    assert host.asked[1]["Range"] == "bytes=100000-"  # also through the redirect


def test_redirects_that_never_end_are_given_up(httpserver, web, waits, tmp_path):
    httpserver.expect_request("/round").respond_with_handler(redirect("/round"))
    with pytest.raises(DataError, match="more than 10 redirects"):
        fetch(RemoteFile("file.bin", httpserver.url_for("/round")), tmp_path, web)
    assert waits == [] and len(httpserver.log) == 11


def use(web, answer):
    """Replace the network by a function."""
    web._client = httpx.Client(transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("where", ["http://b.org/", "ftp://b.org/", "file:///etc/passwd"])
def test_redirects_from_https_to_http_are_refused(web, waits, tmp_path, where):
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": where})

    use(web, answer)
    with pytest.raises(DataError, match="from https to"):
        fetch(RemoteFile("file.bin", "https://a.org/"), tmp_path, web)
    assert asked == ["https://a.org/"] and waits == []


def test_an_untrusted_certificate_is_not_retried(web, waits, tmp_path):
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
def test_an_invalid_address_is_reported(web, waits, tmp_path, url):
    with pytest.raises(DataError, match=r"^file.bin from .*check the address"):
        fetch(RemoteFile("file.bin", url), tmp_path, web)
    assert waits == []


def test_a_server_that_does_not_answer_is_retried_and_reported(web, waits, tmp_path):
    with pytest.raises(DataError, match="no connection"):
        fetch(RemoteFile("file.bin", "http://127.0.0.1:1/file.bin"), tmp_path, web)
    assert len(waits) == 5


def test_a_request_without_response_is_repeated(httpserver, tmp_path):
    host = Host(httpserver)

    def silent(request):
        time.sleep(1)
        return host.serve(request)

    host.script = [silent]
    with WebClient(sleep=lambda _: None, timeout=0.2) as web:
        assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert len(host.asked) >= 2  # this server handles one request at a time


def test_the_proxy_of_the_environment_is_used(httpserver, tmp_path, monkeypatch):
    host = Host(httpserver)
    monkeypatch.setenv("HTTP_PROXY", httpserver.url_for(""))
    with WebClient(sleep=lambda _: None) as web:
        file = replace(host.file(), url="http://nowhere.invalid/file.bin")
        assert fetch(file, tmp_path, web).read_bytes() == CONTENT
    assert host.asked[0]["Host"] == "nowhere.invalid"
    monkeypatch.setenv("NO_PROXY", "nowhere.invalid")
    with WebClient(sleep=lambda _: None) as web, pytest.raises(DataError, match="no connection"):
        fetch(replace(file, name="other"), tmp_path, web)


@pytest.mark.parametrize(
    ("name", "value"), [("HTTP_PROXY", "nonsense://x"), ("SSL_CERT_FILE", "/no/such/file")]
)
def test_invalid_settings_are_reported(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ArgumentError, match=r"the proxy or certificate settings of the environment"):
        WebClient()


def test_without_the_extra_the_error_names_the_install_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"solarseg\[data\]"):
        download("elpv", tmp_path)


# Whole sets


class Zenodo:
    """A generated record: the answer of the source, and the files."""

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
        self.entry = replace(find_public_dataset("glosofarid"), address=server.url_for("/api/records/1"))

    @property
    def asked(self):
        return {name: len(host.asked) for name, host in self.hosts.items()}


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.read_bytes()


YEARS = {"solar_2023_us.tfrecord.gz": b"us", "solar_2021_global.tfrecord.gz": b"global" * 1000}


def test_a_dataset_is_downloaded_only_once(httpserver, web, tmp_path):
    zenodo, to = Zenodo(httpserver, YEARS), tmp_path / "a" / "b"
    done = download_dataset(zenodo.entry, to, web)
    assert {file.name: file.read_bytes() for file in done.files} == YEARS
    assert (done.licence, done.unpacked) == ("cc-by-4.0", ())
    assert left(to) == sorted(YEARS)
    download_dataset(zenodo.entry, to, web, progress=True)
    assert zenodo.asked == dict.fromkeys(YEARS, 1)


def test_a_pattern_selects_files(httpserver, web, tmp_path):
    zenodo = Zenodo(httpserver, YEARS)
    done = download_dataset(zenodo.entry, tmp_path, web, files="*US*")
    assert [file.name for file in done.files] == ["solar_2023_us.tfrecord.gz"]
    with pytest.raises(
        ArgumentError, match=r"`files='\*\.zip'`: matches none of: solar_2023_us.tfrecord.gz, solar_2021"
    ):
        download_dataset(zenodo.entry, tmp_path, web, files="*.zip")


def test_free_space_is_checked_before_the_download(httpserver, web, tmp_path, monkeypatch):
    zenodo = Zenodo(httpserver, YEARS)
    reserve = files._RESERVE
    free = reserve + 6001
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage(0, 0, free))
    with pytest.raises(OutputError, match=r"needs 6.0 kB and 268.4 MB to spare, 268.4 MB are free"):
        download_dataset(zenodo.entry, tmp_path / "to", web)
    assert zenodo.asked == dict.fromkeys(YEARS, 0) and not (tmp_path / "to").exists()
    free = reserve + 6002
    download_dataset(zenodo.entry, tmp_path / "to", web)
    free = reserve  # existing files need no space
    download_dataset(zenodo.entry, tmp_path / "to", web)
    (tmp_path / "to" / "solar_2021_global.tfrecord.gz").rename(
        tmp_path / "to" / "solar_2021_global.tfrecord.gz.part"
    )
    download_dataset(zenodo.entry, tmp_path / "to", web)


def test_two_downloads_do_not_write_to_one_folder(httpserver, web, tmp_path):
    zenodo = Zenodo(httpserver, YEARS)
    with folder_lock(tmp_path), pytest.raises(OutputError, match="another command writes to it"):
        download_dataset(zenodo.entry, tmp_path, web)
    assert zenodo.asked == dict.fromkeys(YEARS, 0)
    assert len(download_dataset(zenodo.entry, tmp_path, web).files) == 2


def test_a_folder_that_is_a_file_is_reported(httpserver, web, tmp_path):
    zenodo = Zenodo(httpserver, YEARS)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArgumentError, match="file: is a file; give a folder"):
        download_dataset(zenodo.entry, tmp_path / "file", web)
    with pytest.raises(ArgumentError, match="file: is a file; give a folder"):
        download_dataset(zenodo.entry, tmp_path / "file" / "deeper", web)
    assert not httpserver.log  # before any request


def test_an_empty_folder_is_removed(httpserver, web, tmp_path):
    host = Host(httpserver, path="/o/elpv-dataset/zip/x/master")
    host.script = [status(404)] * 2
    entry = replace(find_public_dataset("elpv"), address=host.url)
    (tmp_path / "mine").mkdir()
    for name in ("to", "mine"):
        with pytest.raises(DataError, match="the server answered 404"):
            download_dataset(entry, tmp_path / name, web)
    assert left(tmp_path) == ["mine"]


def test_archives_are_unpacked_next_to_the_archive(httpserver, web, tmp_path):
    content = zipped(tmp_path / "x.zip", {"PV01/a.bmp": b"a", "PV01/a_label.bmp": b"b"})
    zenodo, to = Zenodo(httpserver, {"PV01.zip": content, "readme.txt": b"text"}), tmp_path / "to"
    packed = download_dataset(zenodo.entry, to, web, unpack=False)
    assert packed.unpacked == () and left(to) == ["PV01.zip", "readme.txt"]
    for _ in range(2):  # the second time it is there already
        done = download_dataset(zenodo.entry, to, web)
        assert done.unpacked == (to / "PV01",)
        assert (to / "PV01" / "PV01" / "a_label.bmp").read_bytes() == b"b"
    assert zenodo.asked == {"PV01.zip": 1, "readme.txt": 1}


def test_an_archive_of_a_repository_is_fetched_and_unpacked(httpserver, web, tmp_path):
    """A dataset like ELPV: one ZIP created on request, without a known size."""
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
    entry = replace(find_public_dataset("elpv"), address=host.url)
    done = download_dataset(entry, tmp_path / "to", web)  # only the archive itself shows that it is truncated
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
def test_an_archive_without_checksum_gets_its_name_only_if_it_is_complete(
    httpserver, web, tmp_path, name, at_most
):
    if name == "x.zip":
        content = zipped(tmp_path / name, {"a.png": bytes(5000)})
    else:
        content = packed(tmp_path / name, f"w:{name[6:]}")
    if name == "x.tar" and at_most < 0:  # it ends in padding
        at_most = 10 * 512
    (tmp_path / name).unlink()
    host = Host(httpserver, content, None, ranges=False)
    truncated = [lambda request: host.serve(request, at_most=at_most, Content_Length=None)]
    remote = RemoteFile(name, host.url)
    host.script = truncated * 2
    with pytest.raises(DataError, match=rf"{name} from localhost: .*, twice; it may have changed"):
        fetch(remote, tmp_path, web)
    assert left(tmp_path) == []
    host.script = truncated
    assert fetch(remote, tmp_path, web).read_bytes() == content
    host.script = [lambda request: host.serve(request, at_most=at_most, Content_Length=None)]
    checked = replace(remote, checksum=md5(content[:at_most]))  # a checksum of the source is trusted
    (tmp_path / name).unlink()
    assert fetch(checked, tmp_path, web).read_bytes() == content[:at_most]


def test_an_unsafe_archive_is_not_damaged(httpserver, web, tmp_path):
    """It is downloaded, and refused when it is unpacked."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("../x.png"))
    host = Host(httpserver, path.read_bytes(), path="/o/x/tar")
    path.unlink()
    assert fetch(RemoteFile("x.tar", host.url), tmp_path, web) == path


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_instead_of_a_file_is_reported_and_keeps_the_part(httpserver, web, waits, tmp_path, kind):
    host = Host(httpserver)
    host.script = [
        host.interrupt(100_000),
        lambda _: Response("<html>Log in</html>", 200, {"Content-Type": kind}),
    ]
    with pytest.raises(DataError, match=r"file.bin from localhost: the server sent a web page; check in a"):
        fetch(host.file(), tmp_path, web)
    assert (tmp_path / "file.bin.part").stat().st_size == 100_000
    assert fetch(host.file(), tmp_path, web).read_bytes() == CONTENT
    assert host.sent == len(CONTENT)


def test_pages_are_files_too(httpserver, web, tmp_path):
    host = Host(httpserver)
    host.script = [lambda request: host.serve(request, Content_Type="text/html")]
    assert fetch(replace(host.file(), name="about.html"), tmp_path, web).read_bytes() == CONTENT


@pytest.mark.parametrize("answer", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_a_busy_proxy_is_retried(web, waits, tmp_path, answer):
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


def test_a_proxy_that_refuses_is_not_retried(web, waits, tmp_path):
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
        ArgumentError, match=r"^a.zip and a.tar.gz: would be unpacked to one folder; .*`unpack=False`$"
    ):
        download_dataset(zenodo.entry, tmp_path / "to", web)
    assert zenodo.asked == dict.fromkeys(files, 0)
    assert download_dataset(zenodo.entry, tmp_path / "to", web, files="*.zip").unpacked == (
        tmp_path / "to" / "a",
    )
    assert len(download_dataset(zenodo.entry, tmp_path / "also", web, unpack=False).files) == 2


def test_leftovers_of_a_killed_unpacking_are_removed(httpserver, web, tmp_path):
    zenodo = Zenodo(httpserver, {"a.zip": zipped(tmp_path / "x.zip", {"1": b"1"})})
    to = tmp_path / "to"
    (to / ".0123456789ab" / "deep").mkdir(parents=True)
    (to / ".0123456789ab" / "deep" / "1").write_bytes(b"half")
    (to / ".mine").mkdir()
    download_dataset(zenodo.entry, to, web)
    assert left(to) == [".mine", "a", "a.zip"]


def test_download_takes_sets_of_the_catalogue(tmp_path):
    with pytest.raises(ArgumentError, match="`name='imagenet'`: must be one of glosofarid"):
        download("imagenet", tmp_path)
