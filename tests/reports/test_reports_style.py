"""The company's part of a report is checked when it is read."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from solarseg.errors import DataError
from solarseg.reports import ReportStyle, read_report_style


def write(folder, text):
    file = folder / "report.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("JPEG", "RGB"), ("PNG", "P"), ("PNG", "L")])
def test_a_logo_next_to_the_file_is_embedded_at_the_size_of_the_page(tmp_path, kind, mode):
    Image.new(mode, (960, 400), 120 if mode in "LP" else (10, 200, 30, 128)[: len(mode)]).save(
        tmp_path / "logo", kind
    )
    style = read_report_style(write(tmp_path, "company: Sun & Sons\nlogo: logo\ntitle: T\nnotes: N\n"))
    assert (style.company, style.title, style.notes) == ("Sun & Sons", "T", "N")
    picture = Image.open(io.BytesIO(base64.b64decode(style.logo_uri.removeprefix("data:image/png;base64,"))))
    assert picture.size == (384, 160)
    if mode == "RGBA":
        assert np.abs(np.asarray(picture).astype(int) - (10, 200, 30, 128)).max() <= 1


def test_an_empty_file_is_the_default(tmp_path):
    assert read_report_style(write(tmp_path, "")) == ReportStyle()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour: red", "unknown key 'colour'; allowed are company, logo, title, notes"),
        ("- a", "is not a mapping"),
        ("company: [a]", "company: input should be a valid string"),
        (f"company: {'x' * 201}", "at most 200 characters"),
        ("logo: missing.png", "missing.png: the logo cannot be read"),
        ("logo: report.yaml", "is not a PNG or JPEG image"),
        ("logo: logo.svg", "logo.svg: is not a PNG or JPEG image"),
        ("logo: large.png", "a logo may have 4,194,304"),
        ("logo: truncated.png", "the logo cannot be read"),
        ("logo: huge.png", "30000 x 1000 pixels"),
        ("a: &x 1\nb: *x", "alias"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_why(tmp_path, text, words):
    (tmp_path / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "large.png").write_bytes(bytes(5_000_000))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "truncated.png")
    whole = (tmp_path / "truncated.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (30_000, 1000)).save(tmp_path / "huge.png")
    with pytest.raises(DataError, match=words) as caught:
        read_report_style(write(tmp_path, text))
    assert "\n" not in str(caught.value)
