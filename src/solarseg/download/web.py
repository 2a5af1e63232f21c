"""A web client for servers that may be slow, busy or unreachable."""

import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from secrets import SystemRandom
from typing import TYPE_CHECKING, TypeVar

from solarseg._version import __version__
from solarseg.errors import ArgumentError, DataError
from solarseg.extras import require

if TYPE_CHECKING:
    import httpx

__all__ = ["TemporaryError", "WebClient"]

logger = logging.getLogger(__name__)

_MAX_ATTEMPTS = 6  # in a row, without progress
_MAX_PAUSE = 60.0  # seconds that we choose
_MAX_WAIT = 600.0  # seconds that a server requests
_MAX_REDIRECTS = 10
# HTTP status codes of temporary errors.
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
_BUSY_PROXY = ("502", "503", "504")
_MAX_ANSWER = 8 * 2**20  # bytes of an answer that is read into memory

Result = TypeVar("Result")


class TemporaryError(Exception):
    """An error that may not occur on the next attempt.

    Attributes:
        wait: seconds to wait before the next attempt, if known.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class WebClient:
    """A client for web servers, with httpx and the proxy settings of the environment.

    Args:
        sleep: function that waits for a number of seconds.
        timeout: seconds without data after which a request is repeated.

    Raises:
        ArgumentError: the proxy or certificate settings of the environment are invalid.
        MissingExtraError: httpx is not installed.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep, timeout: float = 60.0) -> None:
        self._httpx = require("httpx", "data")
        self._sleep = sleep
        # Files must not be compressed in transfer: their sizes would differ from those stated.
        headers = {"User-Agent": f"solarseg/{__version__}", "Accept-Encoding": "identity"}
        try:
            self._client: httpx.Client = self._httpx.Client(headers=headers, timeout=timeout)
        except (ValueError, ImportError, OSError, self._httpx.InvalidURL) as error:
            raise ArgumentError(
                f"the proxy or certificate settings of the environment are invalid ({error}); correct HTTP_PROXY, "
                "HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE"
            ) from error

    def __enter__(self) -> "WebClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @contextmanager
    def get(
        self, url: str, what: str, headers: Mapping[str, str] | None = None, accept: tuple[int, ...] = (200,)
    ) -> Iterator["httpx.Response"]:
        """Send a GET request, and yield the response before its body is read.

        Args:
            url: address.
            what: name of the request in messages.
            headers: additional headers.
            accept: accepted status codes.

        Raises:
            TemporaryError: here or while the body is read, if another attempt may succeed.
            DataError: another attempt would not succeed.
        """
        try:
            request = self._client.build_request("GET", url, headers=headers)
            response = self._follow(request, what)
            try:
                if response.status_code not in accept:
                    raise _refused(response, what)
                yield response
            finally:
                response.close()
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            raise self._classify(error, what) from error

    def _follow(self, request: "httpx.Request", what: str) -> "httpx.Response":
        """Send a request, and follow redirects without reading their bodies."""
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._client.send(request, stream=True, follow_redirects=False)
            if response.next_request is None:
                return response
            response.close()
            if request.url.scheme == "https" and response.next_request.url.scheme != "https":
                raise DataError(
                    f"{what}: the server redirects from https to {response.next_request.url.scheme}, which is not "
                    "secure; download it by hand"
                )
            request = response.next_request
        raise DataError(f"{what}: more than {_MAX_REDIRECTS} redirects; try again later")

    def _classify(self, error: Exception, what: str) -> Exception:
        """Return `TemporaryError` if another attempt may succeed, otherwise `DataError`."""
        httpx, reason = self._httpx, " ".join(str(error).split()) or type(error).__name__
        if _is_untrusted(error):
            return DataError(
                f"{what}: the server's certificate is not trusted ({reason}); behind a proxy that inspects "
                "connections, set SSL_CERT_FILE to its certificate"
            )
        if isinstance(error, httpx.ProxyError) and reason.startswith(_BUSY_PROXY):
            return TemporaryError(f"the proxy answered {reason}")
        if isinstance(error, httpx.ProxyError):
            return DataError(f"{what}: the proxy refused ({reason}); check HTTP_PROXY and HTTPS_PROXY")
        if isinstance(error, (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)):
            return TemporaryError(f"no connection, or it was interrupted ({reason})")
        return DataError(f"{what}: cannot be requested ({reason}); check the address")

    def retry(
        self, attempt: Callable[[], Result], what: str, progress: Callable[[], int] = lambda: 0
    ) -> Result:
        """Repeat an attempt until it succeeds, with increasing pauses.

        Args:
            attempt: function that raises `TemporaryError` if another attempt may succeed.
            what: name of the request in messages.
            progress: a number that increases with every attempt that made progress.

        Raises:
            DataError: six attempts in a row made no progress, or the server requests a wait of more than 10 minutes.
        """
        failures, most = 0, progress()
        while True:
            try:
                return attempt()
            except TemporaryError as error:
                if progress() > most:
                    failures, most = 0, progress()
                failures += 1
                wait = _pause(failures) if error.wait is None else error.wait
                if failures == _MAX_ATTEMPTS or wait > _MAX_WAIT:
                    why = (
                        f"with a requested wait of {wait:.0f} s"
                        if wait > _MAX_WAIT
                        else f"{failures} times in a row"
                    )
                    raise DataError(
                        f"{what}: {error}, {why}; check the connection, and run the same command later to resume"
                    ) from error
                logger.warning("%s: %s; trying again in %.0f s", what, error, wait)
                self._sleep(wait)

    def read(self, url: str, what: str) -> bytes:
        """Return the body of a short answer.

        Raises:
            DataError: the request fails, or the answer is larger than 8 MiB.
        """

        def attempt() -> bytes:
            body = bytearray()
            with self.get(url, what) as response:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > _MAX_ANSWER:
                        raise DataError(
                            f"{what}: the answer is longer than {_MAX_ANSWER} bytes; try again later"
                        )
            return bytes(body)

        return self.retry(attempt, what)


def _refused(response: "httpx.Response", what: str) -> Exception:
    status = f"the server answered {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in _TEMPORARY:
        return TemporaryError(status, _requested_wait(response.headers))
    return DataError(
        f"{what}: {status}; check on the page of the dataset (solarseg data list) whether it has moved"
    )


def _requested_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header, which contains seconds or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until = _date(value)
    # Use the server's clock if it is sent, since ours may be wrong.
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _pause(failures: int) -> float:
    """Return a pause in seconds, doubled with each failure, and random so that clients do not retry all at once."""
    return min(2.0 ** (failures - 1), _MAX_PAUSE) * SystemRandom().uniform(0.5, 1.0)


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
