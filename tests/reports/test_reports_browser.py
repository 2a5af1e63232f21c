"""The pages in a real browser: every control works, nothing is loaded, and axe-core finds no barrier."""

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from generated_module import inspected

from solarseg.reports import (
    FailedPhotograph,
    ReportStyle,
    render_index,
    summarise_module,
    write_module_report,
)

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
MODES = {
    "light": {**DESKTOP, "color_scheme": "light"},
    "dark": {**DESKTOP, "color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "light"},
    "dark phone": {**PHONE, "color_scheme": "dark"},
}
TIMEOUT = 120_000  # ms: nothing is said about time
LONG = "a-module-with-a-name-that-is-much-longer-than-the-screen-of-a-phone-is-wide.2026.jpg"


@pytest.fixture(scope="module")
def made():
    return inspected(700)


@pytest.fixture(scope="module")
def report(made, tmp_path_factory):
    module, view = made
    file = tmp_path_factory.mktemp("report") / "report.html"
    style = ReportStyle(company="Sun & Sons", notes="A note.")
    write_module_report(file, replace(module, name=LONG, image=LONG), view, style)
    return file


@pytest.fixture(scope="module")
def index(made, tmp_path_factory):
    module, view = made
    summary = summarise_module(module, view.image, "m/report.html")
    names = [("m1", 0.2, 3.0, 4), ("m10", 0.01, None, 0), ("m2", 0.1, 12.0, 11), (LONG, 0.0, 0.5, 2)]
    modules = [
        replace(summary, name=name, severity=severity, loss=loss, defective=defective)
        for name, severity, loss, defective in names
    ]
    file = tmp_path_factory.mktemp("index") / "index.html"
    failed = [FailedPhotograph(LONG, f"{LONG}: no module was found")]
    file.write_text(render_index(modules, failed, ReportStyle()), encoding="utf-8")
    return file


@pytest.fixture
def open_page(browser):
    """Open a file; whatever the browser complains of or loads fails the test at its end."""
    contexts, problems = [], []

    def watch(request):
        if not request.url.startswith(("file:", "data:")):
            problems.append(f"loaded {request.url}")

    def open_file(file, **mode):
        context = browser.new_context(**(mode or MODES["light"]))
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        page.on("request", watch)
        page.goto(file.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert problems == []


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.dataset.cell || ''")


def barriers(page):
    """What axe-core finds, with the elements."""
    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["html"][:150] for node in each["nodes"][:3]]) for each in found]


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("mode", MODES)
def test_the_report_has_no_barriers_and_fits_the_screen(open_page, report, mode):
    page = open_page(report, **MODES[mode])
    assert barriers(page) == []
    assert fits(page)
    page.locator("button[data-cell]").first.click()
    assert page.locator("dialog").is_visible()
    assert barriers(page) == []
    assert fits(page)


@pytest.mark.parametrize("mode", MODES)
def test_the_index_has_no_barriers_and_fits_the_screen(open_page, index, mode):
    page = open_page(index, **MODES[mode])
    assert barriers(page) == []
    assert fits(page)


def test_axe_core_finds_a_barrier_where_there_is_one(open_page, report):
    page = open_page(report)
    page.evaluate("document.querySelector('.worst img').removeAttribute('alt')")
    assert "image-alt" in [name for name, _ in barriers(page)]


def test_each_class_can_be_hidden_and_shown(open_page, report):
    page = open_page(report)
    boxes = page.locator("input[data-toggles]")
    assert boxes.count() >= 6
    for number in range(boxes.count()):
        box = boxes.nth(number)
        layer = page.locator(f"#{box.get_attribute('data-toggles')}")
        for _ in range(2):
            assert (layer.evaluate("each => getComputedStyle(each).display") != "none") == box.is_checked()
            box.click()
    assert not page.locator("input[data-toggles='layer-2']").is_checked()  # busbars, at first


def test_hiding_a_class_changes_the_picture(open_page, report):
    page = open_page(report)
    shown = page.locator("#defect-map").screenshot()
    page.locator("input[data-toggles='layer-4']").uncheck()
    assert page.locator("#defect-map").screenshot() != shown


@pytest.mark.parametrize("which", ["report", "index"])
def test_every_column_sorts_both_ways(open_page, which, request):
    page = open_page(request.getfixturevalue(which))
    buttons = page.locator("table.sortable thead button")
    assert buttons.count() >= 10

    def column(place):
        return page.evaluate(
            "n => [...document.querySelectorAll('table.sortable tbody tr')].map(row => row.cells[n].dataset.value)",
            place,
        )

    def key(value):
        try:
            return (0, float(value), "")
        except ValueError:
            return (1, 0.0, value.lower())

    everything = sorted(page.locator("tbody tr th[scope=row]").all_inner_texts())
    for number in range(buttons.count()):
        header = buttons.nth(number).locator("xpath=..")
        place = header.evaluate("each => each.cellIndex")
        orders = set()
        for _ in range(2):
            buttons.nth(number).click()
            order = header.get_attribute("aria-sort")
            orders.add(order)
            values = column(place)
            full = [value for value in values if value]
            assert full == sorted(full, key=key, reverse=order == "descending"), (number, order)
            assert values == full + [""] * (len(values) - len(full))
            assert page.locator("th[aria-sort]").count() == 1
        assert orders == {"ascending", "descending"}
    assert sorted(page.locator("tbody tr th[scope=row]").all_inner_texts()) == everything


def test_the_map_is_used_with_the_keyboard(open_page, report):
    page = open_page(report)
    page.locator("input[data-toggles]").last.focus()
    page.keyboard.press("Tab")
    assert focused(page) == "map-r01c01"
    assert page.locator("#readout").inner_text().startswith("r01c01: ")
    moves = {
        "ArrowLeft": "r01c01",
        "ArrowRight": "r01c02",
        "ArrowDown": "r02c02",
        "ArrowUp": "r01c02",
        "End": "r06c10",
        "Home": "r01c01",
    }
    for pressed, name in moves.items():
        page.keyboard.press(pressed)
        assert focused(page) == f"map-{name}", pressed
        label = page.locator(f"#map-{name}").get_attribute("aria-label")
        assert page.locator("#readout").inner_text() == label
    page.keyboard.press("Tab")  # the map is one stop
    assert not focused(page).startswith("map-")
    page.keyboard.press("Shift+Tab")
    assert focused(page) == "map-r01c01"


@pytest.mark.parametrize("opening", ["Enter", " "])
def test_a_cell_is_enlarged_and_escape_returns_to_it(open_page, report, opening):
    page = open_page(report)
    page.locator("#map-r03c04").focus()
    page.keyboard.press(opening)
    assert page.locator("#enlarged-name").inner_text() == "Cell r03c04"
    numbers = page.locator("#enlarged-numbers dd").all_inner_texts()
    assert numbers == [each for each in page.locator("#row-r03c04 td").all_inner_texts() if each]
    left, top, width, height = map(float, page.locator("#enlarged-picture").get_attribute("viewBox").split())
    box = page.locator("#map-r03c04 rect")
    x, y, w, h = (float(box.get_attribute(name)) for name in ("x", "y", "width", "height"))
    assert left < x and top < y and left + width > x + w and top + height > y + h
    assert width < 1.3 * w
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert focused(page) == "map-r03c04"


def test_the_dialog_opens_with_the_mouse_and_closes_in_three_ways(open_page, report):
    page = open_page(report)
    page.locator("#map-r02c05").click()
    assert page.locator("#enlarged-name").inner_text() == "Cell r02c05"
    page.get_by_role("button", name="Close").click()
    assert focused(page) == "map-r02c05"
    button = page.locator("button[data-cell='r04c02']")
    button.click()
    assert page.locator("#enlarged-name").inner_text() == "Cell r04c02"
    page.mouse.click(2, 2)  # next to the dialog
    assert not page.locator("dialog").is_visible()
    assert focused(page) == "r04c02"


def test_a_cell_under_the_pointer_shows_its_numbers(open_page, report):
    page = open_page(report)
    assert page.locator("#readout").inner_text() == ""
    page.locator("#map-r05c08").hover()
    assert page.locator("#readout").inner_text() == page.locator("#map-r05c08").get_attribute("aria-label")


def test_print_has_no_controls(open_page, report):
    page = open_page(report)
    page.emulate_media(media="print")
    for each in ("nav", "dialog", "#readout", "#map-help", "input[data-toggles='layer-3']"):
        assert not page.locator(each).is_visible(), each
    assert page.locator("#defect-map").is_visible()


def test_a_script_that_is_not_ours_does_not_run(browser, report):
    """Markup that got past the escaping would do nothing: the policy of the page allows one script only."""
    context = browser.new_context()
    page = context.new_page()
    changed = report.with_name("changed.html")
    text = report.read_text(encoding="utf-8")
    evil = "<script>window.evil = 1</script><img src='data:,' onerror='window.evil = 2'>"
    changed.write_text(text.replace('<main id="main">', f'<main id="main">{evil}'), encoding="utf-8")
    page.goto(changed.as_uri())
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.evil") is None
    assert page.locator("#readout").count() == 1
    page.locator("#map-r01c01").focus()
    assert page.locator("#readout").inner_text() != ""  # ours runs
    context.close()


@pytest.mark.parametrize("mode", MODES)
def test_changed_cells_are_shown_before_now_and_as_ratio(open_page, report, mode):
    page = open_page(report, **MODES[mode])
    items = page.locator("#changes .worst li")
    assert items.count() >= 1
    for number in range(items.count()):
        pictures = items.nth(number).locator("img")
        texts = [pictures.nth(place).get_attribute("alt") for place in range(pictures.count())]
        name = items.nth(number).locator("h3").inner_text().split(":")[0]
        assert texts == [f"{name} before", f"{name} now", f"{name}: light relative to before"]
        boxes = [pictures.nth(place).bounding_box() for place in range(3)]
        assert boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]  # next to each other, also on a phone
        assert len({round(box["width"]) for box in boxes}) == 1
        assert min(box["width"] for box in boxes) > 60


def test_the_module_is_shown_before_now_and_as_ratio(open_page, report):
    page = open_page(report)
    figures = page.locator("#changes figure:has(img)")
    captions = [figures.nth(number).inner_text() for number in range(figures.count())]
    assert [caption.split(":")[0] for caption in captions] == [
        "Before",
        "Now",
        "Light now relative to before",
    ]
