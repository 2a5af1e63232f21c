"""The PDF file has what the page has, and loads nothing."""

import io
import logging
from dataclasses import replace

import pypdf
import pytest
from generated_module import inspected
from PIL import ImageFile
from system_programs import skip_or_fail

from solarseg.errors import MissingExtraError, MissingLibraryError
from solarseg.reports import ReportStyle, check_pdf, write_module_report
from solarseg.reports.cell_table import cell_rows, has_changes
from solarseg.reports.pdf import html_to_pdf

_LETTER = 0.602  # width of a letter of DejaVu Sans Mono, relative to the size of the font
NAME = "<b>module</b> & {{ 7 * 7 }}"


@pytest.fixture(scope="module", autouse=True)
def needed():
    try:
        check_pdf()
    except (MissingExtraError, MissingLibraryError) as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    module, view = inspected(700)
    problems = []
    handler = logging.Handler()
    handler.emit = lambda record: problems.append(record.getMessage())
    logging.getLogger("weasyprint").addHandler(handler)
    file = tmp_path_factory.mktemp("pdf") / "report.html"
    paper = file.with_suffix(".pdf")
    write_module_report(file, replace(module, name=NAME), view, ReportStyle(company="Sun & Sons"), pdf=paper)
    logging.getLogger("weasyprint").removeHandler(handler)
    assert sorted(file.parent.iterdir()) == [file, paper]
    return module, pypdf.PdfReader(paper), problems


def test_the_pdf_has_the_text_the_tables_and_the_pictures(written):
    module, pdf, _ = written
    text = " ".join(" ".join(page.extract_text() for page in pdf.pages).split())
    assert NAME in text and "Sun & Sons" in text
    assert f"{module.power.power:.1f} W" in text
    for cell in module.cells:
        if cell.defective:
            assert cell.name in text
    assert all(sentence in text for sentence in module.power.limits)
    assert f"{len(pdf.pages)} / {len(pdf.pages)}" in text
    assert sum(len(page.images) for page in pdf.pages) >= 2 * 6


def test_the_pdf_has_a_line_with_the_numbers_of_each_cell_with_defects(written):
    module, pdf, _ = written
    lines = [" ".join(line.split()) for page in pdf.pages for line in page.extract_text().splitlines()]
    rows = {row.name: " ".join(entry.text for entry in row.entries).split() for row in cell_rows(module)}
    for cell in module.cells:
        assert (" ".join([cell.name, *rows[cell.name]]) in lines) or not cell.defective


def test_all_columns_of_the_table_fit_on_the_page(written):
    module, pdf, _ = written
    ends = []

    def note(text, matrix, text_matrix, font, size):
        if font and "Mono" in font["/BaseFont"] and text.strip():
            ends.append(matrix[4] + matrix[0] * (text_matrix[4] + _LETTER * size * len(text.rstrip())))

    for page in pdf.pages:
        page.extract_text(visitor_text=note)
    assert has_changes(module) and ends
    assert max(ends) <= float(pdf.pages[0].mediabox.width) - 14 * 72 / 25.4  # the margin of the page


def test_the_pdf_has_title_and_language_and_no_scripts_or_links(written):
    _, pdf, _ = written
    assert NAME in pdf.metadata.title
    assert pdf.trailer["/Root"]["/Lang"] == "en"
    assert "/JavaScript" not in pdf.trailer["/Root"].get("/Names", {})
    assert not any("/Annots" in page for page in pdf.pages)


def test_the_writer_understands_the_page(written):
    ignored = ("Ignored", "Invalid media type", "Expected a media type")  # what only screens have
    assert [each for each in written[2] if not each.startswith(ignored)] == []


def test_nothing_is_loaded(httpserver, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    page = (
        f'<link rel="stylesheet" href="{httpserver.url_for("/a.css")}"><img src="{httpserver.url_for("/a.png")}">'
        f'<a rel="attachment" href="{(tmp_path / "secret.txt").as_uri()}">x</a>'
    )
    content = html_to_pdf(page)
    assert httpserver.log == []
    assert b"/EmbeddedFile" not in content
    assert len(pypdf.PdfReader(io.BytesIO(content)).pages) == 1


def test_truncated_images_stay_errors_after_a_pdf_was_written():
    """WeasyPrint lets Pillow accept them, in the whole process."""
    check_pdf()
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
