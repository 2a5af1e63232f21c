"""The company's part of a report: name, logo, title and notes."""

import base64
import io
from functools import cached_property
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from solarseg.datasets.yaml_file import read_yaml
from solarseg.errors import DataError, reason_of
from solarseg.modules.records import MIN_SEVERITY

__all__ = ["ReportStyle", "read_report_style"]

_KINDS = ("PNG", "JPEG")
_MAX_BYTES = 4 * 2**20
_MAX_PIXELS = 25_000_000
_SHOWN_SIZE = (480, 160)  # pixels, twice the size on the page


class ReportStyle(BaseModel):
    """What a company adds to its reports.

    Attributes:
        company: name of the company.
        logo: PNG or JPEG file of at most 4 MiB and 25 megapixels, which becomes part of each report.
        title: title of each report.
        notes: paragraphs for each report, separated by empty lines.
        min_severity: severity of a cell that counts as defective, 0 or more; dark and dim cells always count.

    Examples:
        >>> ReportStyle(company="Sun & Sons").title
        'EL inspection'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    company: str = Field("", max_length=200)
    logo: Path | None = None
    title: str = Field("EL inspection", min_length=1, max_length=200)
    notes: str = Field("", max_length=20_000)
    min_severity: float = Field(MIN_SEVERITY, ge=0, allow_inf_nan=False)

    @property
    def paragraphs(self) -> list[str]:
        r"""The paragraphs of the notes.

        Examples:
            >>> ReportStyle(notes="Taken at night.\n\nAt 8.5 A.").paragraphs
            ['Taken at night.', 'At 8.5 A.']
        """
        return [part for part in map(str.strip, self.notes.split("\n\n")) if part]

    @cached_property
    def logo_uri(self) -> str:
        """The logo as a data URI, at the size of the page; empty without a logo.

        Raises:
            DataError: the logo is not a PNG or JPEG file, is too large or is damaged.
        """
        return "" if self.logo is None else _read_logo(self.logo)


def read_report_style(file: Path | str) -> ReportStyle:
    """Read a YAML file with the company's part of a report.

    Args:
        file: mapping with any of ``company``, ``logo``, ``title``, ``notes`` and ``min_severity``; the path of the
            logo is relative to the folder of this file.

    Raises:
        DataError: the file cannot be read, has an unknown key or an unusable value, or the logo cannot be used.
    """
    file = Path(file)
    content = read_yaml(file)
    allowed = ", ".join(ReportStyle.model_fields)
    if content is not None and not isinstance(content, dict):
        raise DataError(
            f"{file}: is not a mapping; write lines such as `company: NAME`; allowed are {allowed}"
        )
    given = {key: value for key, value in (content or {}).items() if value is not None}
    unknown = [key for key in given if key not in ReportStyle.model_fields]
    if unknown:
        raise DataError(f"{file}: unknown key {unknown[0]!r}; allowed are {allowed}")
    try:
        style = ReportStyle.model_validate(given)
    except ValidationError as error:
        raise DataError(f"{file}: {reason_of(error)}") from error
    if style.logo is not None:
        style = style.model_copy(update={"logo": file.parent / style.logo})
        _ = style.logo_uri  # a logo that cannot be used must not stop the report of the last module
    return style


def _read_logo(file: Path) -> str:
    """Read a logo and encode its pixels again: nothing else of the file gets into the report."""
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise DataError(f"{file}: {size:,} bytes; a logo may have {_MAX_BYTES:,}; make it smaller")
        with Image.open(file, formats=_KINDS) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise DataError(
                    f"{file}: {picture.width} x {picture.height} pixels; a logo may have {_MAX_PIXELS:,}; "
                    "make it smaller"
                )
            shown = picture.convert("RGBA" if picture.mode in ("RGBA", "LA", "P", "PA") else "RGB")
    except UnidentifiedImageError as error:
        raise DataError(f"{file}: is not a PNG or JPEG image; save the logo as one of these") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{file}: the logo cannot be read ({reason_of(error, file)}); give another one"
        ) from error
    shown.thumbnail(_SHOWN_SIZE)
    buffer = io.BytesIO()
    shown.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
