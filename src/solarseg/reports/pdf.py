"""HTML to PDF, with WeasyPrint."""

from typing import Any

from PIL import ImageFile

from solarseg.errors import MissingExtraError, MissingLibraryError
from solarseg.extras import require

__all__ = ["check_pdf", "html_to_pdf"]

EXTRA = "inspect"
_INSTALL = (
    "install it with: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 (Debian, Ubuntu), "
    "brew install pango (macOS), or as https://doc.courtbouillon.org/weasyprint says (Windows)"
)


def check_pdf() -> None:
    """Check that PDF files can be written, before work begins.

    Raises:
        MissingExtraError: WeasyPrint is not installed.
        MissingLibraryError: Pango, which WeasyPrint needs from the system, is not installed.
    """
    _weasyprint()


def html_to_pdf(html: str) -> bytes:
    """Return a page as a PDF file.

    Nothing is loaded except what is in the page itself.

    Raises:
        MissingExtraError: WeasyPrint is not installed.
        MissingLibraryError: Pango, which WeasyPrint needs from the system, is not installed.
    """
    weasyprint = _weasyprint()
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols={"data"})
    return bytes(weasyprint.HTML(string=html, url_fetcher=fetcher).write_pdf())


def _weasyprint() -> Any:
    reads_truncated = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        return require("weasyprint", EXTRA)
    except MissingExtraError:
        raise
    except OSError as error:  # a shared library is missing
        raise MissingLibraryError("Pango", _INSTALL) from error
    finally:  # importing it lets Pillow read truncated files as if they were whole, in the whole process
        ImageFile.LOAD_TRUNCATED_IMAGES = reads_truncated
