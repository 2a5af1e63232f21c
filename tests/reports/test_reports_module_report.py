"""The report of a module says what the records say, and nothing in them becomes markup."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from generated_module import CRACK, FINGER, INACTIVE, inspected, photograph
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError, MissingExtraError, MissingLibraryError
from solarseg.reports import (
    FailedPhotograph,
    Line,
    Plot,
    ReportFile,
    ReportStyle,
    check_pdf,
    render_index,
    render_module_report,
    summarise_module,
    write_index,
    write_module_report,
)
from solarseg.reports.render import TEMPLATES
from solarseg.reports.svg_outlines import draw_layers, keep_painted
from solarseg.synthesis import CELL_CLASSES

SMALL = 700
HOSTILE = (
    """"></title></svg></style><script>alert(1)</script><img src=x onerror=alert(1)>' onload='x """
    "{{7*7}} ${1} javascript:x"
)
TEXT_IN_ATTRIBUTES = ("alt", "aria-label", "content", "href", "data-value", "title")


class Page(HTMLParser):
    """Elements with their attributes, and the text of the page."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self.inside = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.inside and "script" not in self.inside:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag, **attributes):
        return [
            found
            for name, found in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]


@pytest.fixture(scope="module")
def made():
    return inspected(SMALL)


@pytest.fixture(scope="module")
def page(made):
    return Page(render_module_report(*made, ReportStyle(company="Sun & Sons", notes="One.\n\nTwo.")))


def test_every_cell_is_in_the_table_and_on_the_map_with_its_numbers(made, page):
    module, _ = made
    rows = [found["id"].removeprefix("row-") for found in page.all("tr") if "id" in found]
    assert sorted(rows) == sorted(cell.name for cell in module.cells)
    severities = [next(c.severity for c in module.cells if c.name == name) for name in rows]
    assert severities == sorted(severities, reverse=True)
    labels = {found["data-cell"]: found["aria-label"] for found in page.all("g") if "data-cell" in found}
    assert labels.keys() == set(rows)
    for cell in module.cells:
        assert labels[cell.name].startswith(cell.name)
        assert f"{cell.light:.2f}" in labels[cell.name]
        sound = not cell.defective and cell.finding is None
        assert ("no defects" in labels[cell.name]) == (sound and cell.severity == 0)
        assert ("only small marks" in labels[cell.name]) == (sound and cell.severity > 0)
    assert "Sun & Sons" in page.text


def test_totals_and_estimate_are_those_of_the_records(made, page):
    module, _ = made
    defective = sum(cell.defective for cell in module.cells)
    assert f"{defective} of 60 cells with defects" in page.text
    assert f"The worst cell is {max(module.cells, key=lambda cell: cell.severity).name}" in page.text
    assert f"{module.power.power:.1f} W" in page.text
    for sentence in (*module.power.limits, *module.power.assumptions, *module.power.model, *module.notes):
        assert sentence in page.text
    assert page.text.count("grown") + page.text.count("new") > 2


def test_the_page_needs_nothing_but_itself(page):
    for _, found in page.elements:
        assert found.get("src", "data:").startswith("data:")
        assert found.get("href", "#").startswith(("#", "./", "data:"))
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:;")
    assert "sha256-" in policy["content"]


def test_the_pictures_are_those_of_the_view(made, page):
    _, view = made
    (photo,) = page.all("image")
    picture = Image.open(io.BytesIO(base64.b64decode(photo["href"].partition(",")[2])))
    assert picture.size == view.image.shape[::-1]
    shown = np.asarray(picture).astype(float)
    assert np.corrcoef(shown.ravel(), view.image.ravel())[0, 1] > 0.9


def test_outlines_enclose_the_regions():
    _, mask, _ = photograph(SMALL)
    layers = {layer.number: layer for layer in draw_layers(mask, CELL_CLASSES)}
    for number in (CRACK, INACTIVE, FINGER):
        canvas = np.zeros_like(mask)
        contours = [
            np.cumsum(np.array(list(map(int, re.findall(r"-?\d+", part)))).reshape(-1, 2), axis=0)
            for part in layers[number].path.replace("h0", "").split("z")[:-1]
        ]
        cv2.drawContours(canvas, [each.astype(np.int32) for each in contours], -1, 1, cv2.FILLED)
        cv2.drawContours(canvas, [each.astype(np.int32) for each in contours], -1, 1, 1)
        here = (mask == number).astype(np.uint8)
        # Holes are filled here; everything else is within a pixel.
        assert (cv2.dilate(canvas, np.ones((3, 3))) >= here).all()
        assert (canvas & ~cv2.dilate(here, np.ones((3, 3), np.uint8)) & 1).sum() <= 0.02 * here.sum()
        assert layers[number].regions == cv2.connectedComponents(here)[0] - 1


def test_a_mask_without_defects_has_empty_layers():
    layers = draw_layers(np.ones((20, 20), np.uint8), CELL_CLASSES)
    assert [(layer.path, layer.regions) for layer in layers] == [("", 0)] * 4


@pytest.mark.parametrize("paged", [False, True])
def test_no_text_becomes_markup(made, paged):
    """The same elements and attributes as with harmless text, and the text arrives as it is."""
    module, view = made
    classes = ClassMap((*CELL_CLASSES.names[:-1], HOSTILE), CELL_CLASSES.colours)

    def build(text):
        return Page(
            render_module_report(
                replace(module, name=text, image=text, notes=(text,)),
                replace(
                    view,
                    classes=replace(classes, names=(*CELL_CLASSES.names[:-1], text)),
                    date=text,
                    model=text,
                    earlier_name=text,
                    files=(ReportFile(text, text),),
                    plots=(Plot(text, text, text, [Line(text, (0, 1), (0, 1))]),),
                ),
                ReportStyle(company=text, notes=text, title=text),
                paged,
            )
        )

    harmless, hostile = build("harmless"), build(HOSTILE)
    shapes = [
        [
            (tag, {k: v for k, v in found.items() if k not in TEXT_IN_ATTRIBUTES})
            for tag, found in page.elements
        ]
        for page in (harmless, hostile)
    ]
    assert shapes[0] == shapes[1]
    assert hostile.text.count(HOSTILE) >= 9
    assert not paged or not hostile.all("script")
    assert all(found["href"].startswith(("#", "./", "data:")) for found in hostile.all("a"))


def test_no_text_of_the_index_becomes_markup(made):
    module, view = made

    def build(text):
        summary = summarise_module(replace(module, name=text, image=text), view.image, text)
        style = ReportStyle(company=text, notes=text, title=text)
        failed = [FailedPhotograph(text, text)]
        return Page(render_index([summary], failed, style, [ReportFile(text, text)]))

    harmless, hostile = build("harmless"), build(HOSTILE)
    shapes = [
        [
            (tag, {k: v for k, v in found.items() if k not in TEXT_IN_ATTRIBUTES})
            for tag, found in page.elements
        ]
        for page in (harmless, hostile)
    ]
    assert shapes[0] == shapes[1]
    assert all(found["href"].startswith("./") for found in hostile.all("a"))


def test_templates_never_switch_the_escaping_off():
    for file in TEMPLATES.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup", text), file
        assert not re.search(r"https?://|@import|url\((?!#)", text), file


def test_a_module_without_estimate_changes_and_defects_has_no_such_sections(made):
    module, view = made
    sound = next(cell for cell in module.cells if not cell.defective and cell.finding is None)
    cells = tuple(replace(sound, row=c.row, column=c.column, change=None) for c in module.cells)
    page = Page(
        render_module_report(
            replace(module, cells=cells, power=None),
            replace(view, earlier=None, plots=(), files=()),
            ReportStyle(),
        )
    )
    assert not {"power", "changes", "worst", "files"} & {found.get("id") for found in page.all("section")}
    assert "No defects were found." in page.text


def test_the_index_orders_modules_counts_them_and_names_failures(made, tmp_path):
    module, view = made
    bad = summarise_module(module, view.image, "module-1/report.html")
    good = replace(bad, name="good", severity=0.0, defective=0, cracked=0, loss=None, power=None)
    failed = [FailedPhotograph("broken.jpg", "broken.jpg: the file is truncated")]
    file = tmp_path / "index.html"
    write_index(file, [good, bad], failed, ReportStyle())
    page = Page(file.read_text(encoding="utf-8"))
    links = [found["href"] for found in page.all("a")]
    assert links == ["./module-1/report.html", "./module-1/report.html"]
    assert page.text.index("module-1") < page.text.index("good")
    assert "broken.jpg: the file is truncated" in page.text
    assert f"{bad.defective} cells with defects" in page.text
    assert len(bad.thumbnail) < 8000


def test_the_index_gives_losses_with_their_intervals(made):
    """Also of a module with dark cells, whose loss may be less than the estimate."""
    module, view = made
    power = module.power
    one = summarise_module(module, view.image, "one/report.html")
    assert (one.loss, one.loss_low, one.loss_high) == (power.loss, power.loss_low, power.loss_high)
    one = replace(one, sound_power=200.0, loss=10.0, loss_low=8.0, loss_high=30.0, dark=2)
    other = replace(one, name="other", sound_power=100.0, loss=1.0, loss_low=0.5, loss_high=1.5, dark=0)
    unknown = replace(
        one, name="unknown", power=None, sound_power=None, loss=None, loss_low=None, loss_high=None
    )
    text = Page(render_index([one, other, unknown])).text
    # 200 W lose 20 W, 100 W lose 1 W; from 16.5 W to 61.5 W.
    assert "7.0% estimated loss of power 21 W; 5.5% to 20.5%" in text
    assert "10.0 8.0 to 30.0" in text and "1.0 0.5 to 1.5" in text
    assert "upper bound assumes that dark and dim cells lack" in text
    assert "None" not in text
    assert "stimated loss" not in Page(render_index([unknown])).text


def test_what_is_painted_on_pictures_is_what_the_map_shows_at_first():
    classes = CELL_CLASSES
    mask = np.arange(256, dtype=np.uint8).reshape(16, 16)
    painted = set(np.unique(keep_painted(mask, classes))) - {0}
    assert painted == {CRACK, INACTIVE, FINGER}
    assert painted == {layer.number for layer in draw_layers(mask, classes) if layer.shown}
    kept = keep_painted(mask, classes)
    assert (kept[kept > 0] == mask[kept > 0]).all()


def test_an_index_of_a_thousand_modules_is_small(made):
    module, view = made
    summary = summarise_module(module, view.image, "module-1/report.html")
    page = render_index([replace(summary, name=f"m{place:04}") for place in range(1000)])
    assert len(page) < 12e6


def test_html_is_written_where_pdf_cannot_be(made, tmp_path, monkeypatch):
    def missing(*_):
        raise MissingLibraryError("Pango", "install it")

    monkeypatch.setattr("solarseg.reports.pdf.require", missing)
    with pytest.raises(MissingLibraryError, match="Pango is not installed on this system; install it"):
        check_pdf()
    with pytest.raises(MissingLibraryError):
        write_module_report(tmp_path / "report.html", *made, ReportStyle(), pdf=tmp_path / "report.pdf")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("problem", "error", "words"),
    [
        (
            ModuleNotFoundError(name="weasyprint"),
            MissingExtraError,
            r"weasyprint is not installed; .*\[inspect\]",
        ),
        (OSError("cannot load library 'libgobject-2.0-0'"), MissingLibraryError, "libpango"),
    ],
)
def test_what_pdf_files_need_is_named(problem, error, words, monkeypatch):
    def fail(_):
        raise problem

    monkeypatch.setattr("solarseg.extras.import_module", fail)
    with pytest.raises(error, match=words):
        check_pdf()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mask": np.zeros((3, 3), np.uint8)}, "`mask`: is uint8"),
        ({"image": np.zeros((3, 3), np.float32)}, "`image`: is float32"),
        ({"boxes": np.zeros((6, 10, 4), int)}, "`boxes`: must not be empty"),
        ({"boxes": np.zeros((6, 10, 2), int)}, "`boxes`: is int64"),
        ({"earlier": np.zeros((3, 3), np.uint8)}, "`earlier`: is uint8"),
    ],
)
def test_views_that_do_not_fit_are_refused(made, changes, words):
    with pytest.raises(ArgumentError, match=words):
        replace(made[1], **changes)


def test_a_view_of_another_grid_is_refused(made):
    module, view = made
    with pytest.raises(ArgumentError, match="`boxes`: are of 5 x 10 cells, the module has 6 x 10"):
        render_module_report(module, replace(view, boxes=view.boxes[:5]), ReportStyle())
