import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solarseg import files
from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError, OutputError
from solarseg.evaluation import figures
from solarseg.evaluation.figures import (
    DIFFERENCES,
    Example,
    draw_confusion_matrix,
    draw_examples,
    mask_difference,
)
from solarseg.evaluation.scores import confusion_matrix

CLASSES = ClassMap(
    ("cell", "crack", "dead"), colours=((0, 0, 0), (238, 102, 119), (68, 119, 170)), ignore=True
)


def example(height=256, width=256, *, bands=1, dtype=np.uint8, note="best"):
    """Return a flat grey image with two classes, a partly missed region, a false alarm, and an ignored area."""
    image = np.full((height, width, bands), 100, dtype)
    truth, prediction = np.zeros((2, height, width), np.uint8)
    truth[height // 2 :, : width // 2] = 1
    prediction[height // 2 :, : width // 4] = 1
    prediction[height // 4 : height // 2, width // 2 :] = 2
    truth[:, -width // 8 :] = 255
    return Example("cell0001", image, truth, prediction, note)


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def drawn(calls, monkeypatch):
    """Record the texts that are drawn in legends and lines."""
    for name in ("draw_legend", "draw_text"):
        real = getattr(figures, name)

        def recorded(first, *rest, real=real, **options):
            calls.extend([first] if isinstance(first, str) else [string for _, string in first])
            return real(first, *rest, **options)

        monkeypatch.setattr(figures, name, recorded)


def test_mask_difference_by_hand():
    truth = np.array([[0, 1, 1], [0, 2, 255], [2, 0, 255]], np.uint8)
    prediction = np.array([[0, 1, 0], [1, 1, 0], [2, 2, 2]], np.uint8)
    assert mask_difference(truth, prediction).tolist() == [[0, 1, 2], [3, 4, 255], [1, 3, 255]]
    assert mask_difference(truth, prediction, ignore=2).tolist() == [[0, 1, 2], [3, 255, 2], [255, 3, 4]]


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 255]), st.integers(0, 3)), min_size=1))
def test_counts_of_mask_difference_equal_the_confusion_matrix(pairs):
    truth, prediction = np.array(pairs, np.uint8).T
    counts = np.bincount(mask_difference(truth, prediction), minlength=256)
    matrix = confusion_matrix(truth, prediction, 4, ignore_index=255)
    inner = matrix[1:, 1:]
    expected = [matrix[0, 0], np.trace(inner), matrix[1:, 0].sum(), matrix[0, 1:].sum()]
    assert counts[:4].tolist() == expected
    assert counts[4] == inner.sum() - np.trace(inner)
    assert counts[255] == (truth == 255).sum()


def test_panels_show_the_right_colours_at_known_pixels(tmp_path):
    draw_examples([example()], CLASSES, tmp_path / "examples.png", "title")
    page = read(tmp_path / "examples.png")
    side, step, left = 384, 384 + 10, 24
    assert page.shape[1] == 4 * side + 3 * 10 + 2 * left
    top = page.shape[0] - left - side

    def at(panel, y, x):
        return page[top + int(y * side), left + panel * step + int(x * side)].astype(int)

    assert at(0, 0.1, 0.1).tolist() == [100, 100, 100]
    pale = 140  # 90 + 100 / 2
    for panel in (1, 2, 3):
        assert at(panel, 0.1, 0.1).tolist() == [pale] * 3
    crack, dead = np.array(CLASSES.colours[1]), np.array(CLASSES.colours[2])
    assert np.abs(at(1, 0.75, 0.4) - (0.6 * crack + 0.4 * pale)).max() <= 1
    assert np.abs(at(2, 0.75, 0.1) - (0.6 * crack + 0.4 * pale)).max() <= 1
    assert at(2, 0.75, 0.4).tolist() == [pale] * 3
    assert np.abs(at(2, 0.4, 0.7) - (0.6 * dead + 0.4 * pale)).max() <= 1

    def has(code, y, x):
        """Return whether most pixels of a small area have the colour of a code; the others are stripes."""
        y, x = top + int(y * side), left + 3 * step + int(x * side)
        area = page[y : y + 16, x : x + 16].astype(int)
        expected = 0.8 * np.array(DIFFERENCES.colours[code]) + 0.2 * pale
        return np.mean(np.abs(area - expected).max(axis=-1) <= 1) > 0.7

    assert has(1, 0.75, 0.1)
    assert has(2, 0.75, 0.4)
    assert has(3, 0.4, 0.7)
    assert np.ptp(at(3, 0.75, 0.95)) == 0  # ignored: grey
    assert np.ptp(at(3, 0.4, 0.95)) == 0  # also where a class is predicted


def test_the_heading_contains_note_name_and_iou_of_each_class(tmp_path, monkeypatch):
    calls = []
    drawn(calls, monkeypatch)
    draw_examples([example(note="worst"), example(note="")], CLASSES, tmp_path / "examples.png", "A title")
    matrix = confusion_matrix(example().truth, example().prediction, 3, 255)
    background = matrix[0, 0] / (matrix[0].sum() + matrix[1:, 0].sum())
    assert ["cell IoU " + f"{background:.2f}", "crack IoU 0.50", "dead IoU 0.00"] == [
        call for call in calls if "IoU" in call
    ][:3]
    assert {"A title", "worst: cell0001", "cell0001", "image", "ground truth", "prediction"} <= set(calls)
    assert [calls.count(name) for name in ("crack", "missed", "wrong class", "ignored")] == [1, 1, 1, 1]


def test_the_legend_shows_only_possible_differences(tmp_path, monkeypatch):
    calls = []
    drawn(calls, monkeypatch)
    flat = np.zeros((8, 8), np.uint8)
    draw_examples([Example("a", flat[..., None], flat, flat)], ClassMap(("a", "b")), tmp_path / "e.png", "")
    assert "ignored" not in calls
    assert "wrong class" not in calls  # of two classes, a wrong one is a miss or a false alarm
    assert "a IoU 1.00" in calls
    assert not any(call.startswith("b IoU") for call in calls)


@pytest.mark.parametrize(
    ("shape", "columns"),
    [((64, 64), 4), ((256, 256), 4), ((900, 1200), 4), ((3000, 500), 4), ((500, 1400), 2), ((500, 3000), 1)],
)
def test_pages_are_at_most_as_wide_as_a_screen_and_use_their_width(tmp_path, shape, columns):
    draw_examples([example(*shape)] * 2, CLASSES, tmp_path / "examples.png", "title")
    page = read(tmp_path / "examples.png")
    assert 800 <= page.shape[1] <= 1920
    for edge in (page[:20], page[-20:], page[:, :20], page[:, -20:]):
        assert (edge == 255).all()
    if columns < 4:
        widest = (page[..., 0] < 255).sum(axis=1).max()
        assert widest > 0.9 * page.shape[1] - 48


@pytest.mark.parametrize(
    ("bands", "dtype"), [(1, np.uint16), (3, np.uint8), (4, np.uint16), (13, np.float32)]
)
def test_any_depth_and_number_of_bands(tmp_path, bands, dtype):
    one = example(40, 50, bands=bands, dtype=dtype)
    before = one.image.copy(), one.truth.copy(), one.prediction.copy()
    draw_examples([one], CLASSES, tmp_path / "examples.png", "title")
    for array, old in zip((one.image, one.truth, one.prediction), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_sizes_that_differ_within_a_page(tmp_path):
    draw_examples([example(64, 64), example(700, 300), example(100, 400)], CLASSES, tmp_path / "e.png", "t")
    assert (tmp_path / "e.png").exists()


def test_sizes_that_differ_within_an_example_are_refused(tmp_path):
    one = example()
    path = tmp_path / "examples.png"
    with pytest.raises(ArgumentError, match="`mask`: has shape"):
        draw_examples([Example("a", one.image[:9], one.truth, one.prediction)], CLASSES, path, "")
    with pytest.raises(ArgumentError):
        draw_examples([Example("a", one.image, one.truth, one.prediction[:9, :9])], CLASSES, path, "")
    assert not any(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_figure(tmp_path, monkeypatch):
    path = tmp_path / "confusion_matrix.png"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files, "_flush", fail)
    with pytest.raises(OutputError, match="disk full"):
        draw_confusion_matrix(np.eye(3, dtype=np.int64), CLASSES, path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def texts(monkeypatch, matrix, classes, path):
    """Draw a confusion matrix and return the axes it was drawn on."""
    made = []
    real = figures.Figure

    def recorded(*args, **options):
        made.append(real(*args, **options))
        return made[-1]

    monkeypatch.setattr(figures, "Figure", recorded)
    draw_confusion_matrix(matrix, classes, path)
    return made[0].axes[0]


def test_the_confusion_matrix_shows_shares_and_counts(tmp_path, monkeypatch):
    matrix = np.array([[7500, 2500, 0], [1, 3, 0], [0, 0, 0]])
    axes = texts(monkeypatch, matrix, CLASSES, tmp_path / "m.png")
    written = {}
    for note in axes.texts:
        written.setdefault(note.xy[::-1], []).append(note.get_text())
    assert written[0, 0] == ["75.0%", "7,500"]
    assert written[0, 1] == ["25.0%", "2,500"]
    assert written[1, 0] == ["25.0%", "1"]
    assert written[2, 2] == ["–", "0"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("prediction", "ground truth")
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASSES.names)


@pytest.mark.parametrize("count", [2, 3, 13])
def test_confusion_matrix_text_fits_its_cell_and_contrasts(tmp_path, monkeypatch, count):
    matrix = np.random.default_rng(0).integers(0, 10**9, (count, count)) ** 2 // 10**9
    classes = ClassMap(tuple(f"finger interruption {i}" for i in range(count)))
    axes = texts(monkeypatch, matrix, classes, tmp_path / "m.png")
    cell = axes.get_window_extent().width / count
    pixels = axes.images[0].get_array() / 255
    weights = np.array([0.2126, 0.7152, 0.0722])
    for note in axes.texts:
        assert note.get_window_extent().width < 0.95 * cell
        column, row = note.xy
        paper, letters = (
            np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ weights
            for c in (np.asarray(pixels[row, column]), np.asarray(note.get_color()))
        )
        assert (max(paper, letters) + 0.05) / (min(paper, letters) + 0.05) >= 4.5
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    page = read(tmp_path / "m.png")
    for edge in (page[:8], page[-8:], page[:, :8], page[:, -8:]):
        assert (edge == 255).all()


@pytest.mark.slow
def test_confusion_matrix_of_all_classes_shows_colours_only(tmp_path, monkeypatch):
    matrix = np.eye(255, dtype=np.int64) * 7
    axes = texts(monkeypatch, matrix, ClassMap(tuple(f"c{i}" for i in range(255))), tmp_path / "m.png")
    assert not axes.texts
    assert axes.get_title(loc="left") == "share of the row"
    assert len(axes.get_yticklabels()) == 255
    assert max(Image.open(tmp_path / "m.png").size) < 3000


def test_the_colormap_is_perceptually_uniform():
    rgb = figures._blues()(np.linspace(0, 1, 21))[None, :, :3].astype(np.float32)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[0]
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert (np.diff(lab[:, 0]) < 0).all()
    assert steps.max() / steps.min() < 1.25
    hue = np.degrees(np.arctan2(lab[4:, 2], lab[4:, 1]))
    assert np.ptp(hue) < 15


def test_math_in_names_and_the_style_of_a_user_have_no_effect(tmp_path):
    import matplotlib

    classes = ClassMap(("a$b$", "_c"))
    draw_confusion_matrix(np.eye(2, dtype=np.int64), classes, tmp_path / "plain.png")
    with matplotlib.rc_context({"figure.facecolor": "black", "text.color": "red", "savefig.dpi": 30}):
        before = dict(matplotlib.rcParams)
        draw_confusion_matrix(np.eye(2, dtype=np.int64), classes, tmp_path / "styled.png")
        assert dict(matplotlib.rcParams) == before
    np.testing.assert_array_equal(read(tmp_path / "plain.png"), read(tmp_path / "styled.png"))
