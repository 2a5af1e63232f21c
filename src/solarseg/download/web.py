"""Asking web servers, which may be slow, busy or cut off."""

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

__all__ = ["PassingError", "Web"]

logger = logging.getLogger(__name__)

_TRIES = 6  # in a row, without anything gained
_LONGEST_PAUSE = 60.0  # seconds, of those we choose
_LONGEST_WAIT = 600.0  # seconds, of those a server asks for
_MOST_REDIRECTS = 10
# Statuses that may be others a little later.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
_BUSY_PROXY = ("502", "503", "504")
_LARGEST_ANSWER = 8 * 2**20  # bytes that are read into memory

Result = TypeVar("Result")


class PassingError(Exception):
    """Something failed that may work when tried again.

    Attributes:
        wait: seconds to wait before, where known.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Web:
    """Connections to web servers, by httpx, through the proxy that the environment names.

    Args:
        sleep: waits for some seconds.
        timeout: seconds without a sign of the server after which it is asked again.

    Raises:
        ArgumentError: the environment's settings of proxy or certificates cannot be used.
        MissingExtraError: httpx is not installed.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep, timeout: float = 60.0) -> None:
        self._httpx = require("httpx", "data")
        self._sleep = sleep
        # Files are kept as they are sent; compressed on the way, their sizes would not be those stated.
        headers = {"User-Agent": f"solarseg/{__version__}", "Accept-Encoding": "identity"}
        try:
            self._client: httpx.Client = self._httpx.Client(headers=headers, timeout=timeout)
        except (ValueError, ImportError, OSError, self._httpx.InvalidURL) as error:
            raise ArgumentError(
                f"the environment's proxy or certificates cannot be used ({error}); correct HTTP_PROXY, "
                "HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE"
            ) from error

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @contextmanager
    def get(
        self, url: str, what: str, headers: Mapping[str, str] | None = None, accept: tuple[int, ...] = (200,)
    ) -> Iterator["httpx.Response"]:
        """Ask for something, and give the answer, whose body is still to be read.

        Args:
            url: of what is asked for.
            what: its name in messages.
            headers: to send along.
            accept: statuses that are taken.

        Raises:
            PassingError: here or while the body is read, where another try may help.
            DataError: no try will help.
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
            raise self._sorted(error, what) from error

    def _follow(self, request: "httpx.Request", what: str) -> "httpx.Response":
        """Send a request, and follow redirects without reading what is sent along with them."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._client.send(request, stream=True, follow_redirects=False)
            if response.next_request is None:
                return response
            response.close()
            if request.url.scheme == "https" and response.next_request.url.scheme != "https":
                raise DataError(
                    f"{what}: the server leads from https to {response.next_request.url.scheme}, where anybody "
                    "on the way could change the file; fetch it by hand"
                )
            request = response.next_request
        raise DataError(
            f"{what}: led from one address to the next more than {_MOST_REDIRECTS} times; try again later"
        )

    def _sorted(self, error: Exception, what: str) -> Exception:
        """What a failure means: that another try may help, or not."""
        httpx, reason = self._httpx, " ".join(str(error).split()) or type(error).__name__
        if _is_distrust(error):
            return DataError(
                f"{what}: the server's certificate is not trusted ({reason}); behind a proxy that opens "
                "connections, let SSL_CERT_FILE name its certificate"
            )
        if isinstance(error, httpx.ProxyError) and reason.startswith(_BUSY_PROXY):
            return PassingError(f"the proxy answered {reason}")
        if isinstance(error, httpx.ProxyError):
            return DataError(f"{what}: the proxy refused ({reason}); check HTTP_PROXY and HTTPS_PROXY")
        if isinstance(error, (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)):
            return PassingError(f"no connection, or it was cut ({reason})")
        return DataError(f"{what}: cannot be asked for ({reason}); check the address")

    def persist(
        self, attempt: Callable[[], Result], what: str, gained: Callable[[], int] = lambda: 0
    ) -> Result:
        """Try something until it works, with growing pauses.

        Args:
            attempt: what is tried; raises `PassingError` where another try may help.
            what: its name in messages.
            gained: a number that is greater than ever before where the last attempt was not in vain.

        Raises:
            DataError: six attempts in a row were in vain, or the server asks for a wait of over 10 minutes.
        """
        failures, most = 0, gained()
        while True:
            try:
                return attempt()
            except PassingError as error:
                if gained() > most:
                    failures, most = 0, gained()
                failures += 1
                wait = _pause(failures) if error.wait is None else error.wait
                if failures == _TRIES or wait > _LONGEST_WAIT:
                    why = (
                        f"asked to wait {wait:.0f} s"
                        if wait > _LONGEST_WAIT
                        else f"{failures} times in a row"
                    )
                    raise DataError(
                        f"{what}: {error}, {why}; check the connection, and run the same command later: it goes on "
                        "where it stopped"
                    ) from error
                logger.warning("%s: %s; trying again in %.0f s", what, error, wait)
                self._sleep(wait)

    def read(self, url: str, what: str) -> bytes:
        """Read a short answer.

        Raises:
            DataError: it cannot be had, or is larger than 8 MiB.
        """

        def attempt() -> bytes:
            body = bytearray()
            with self.get(url, what) as response:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > _LARGEST_ANSWER:
                        raise DataError(
                            f"{what}: answers with more than {_LARGEST_ANSWER} bytes; try again later"
                        )
            return bytes(body)

        return self.persist(attempt, what)


def _refused(response: "httpx.Response", what: str) -> Exception:
    status = f"the server answered {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in _PASSING:
        return PassingError(status, _wait_asked(response.headers))
    return DataError(
        f"{what}: {status}; look on the set's own page (solarseg data list) whether it has moved"
    )


def _wait_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, of a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    until = _date(asked)
    # The server's own clock, where it tells, since ours may be wrong.
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _pause(failures: int) -> float:
    """Seconds to wait: twice as long each time, and not the same for all who were cut off at once."""
    return min(2.0 ** (failures - 1), _LONGEST_PAUSE) * SystemRandom().uniform(0.5, 1.0)


def _is_distrust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
