import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from skimage.measure import label, regionprops

from solarseg.curation import sample_sheet, statistics_figure
from solarseg.curation.sample_sheet import choose_samples, draw_sheet
from solarseg.curation.statistics import summarise
from solarseg.curation.stats import stats
from solarseg.curation.survey import region_areas, survey_dataset
from solarseg.datasets import open_dataset
from solarseg.errors import DatasetError
from solarseg.images import write_bands

RNG = np.random.default_rng(0)


@pytest.fixture
def mixed(tmp_path):
    """Ten 12-bit images of four bands with three classes and ignored pixels, in four groups."""
    root = tmp_path / "mixed"
    (root / "masks").mkdir(parents=True)
    for i in range(10):
        size = (20, 30) if i < 7 else (16, 16)
        write_bands(root / "images" / f"{i}.tif", RNG.integers(0, 4096, (*size, 4), dtype=np.uint16))
        mask = RNG.choice(np.array([0, 1, 2, 255] if i != 4 else [0], dtype=np.uint8), size)
        Image.fromarray(mask).save(root / "masks" / f"{i}.png")
    (root / "dataset.yaml").write_text(
        "classes: [background, crack, busbar]\nignore_index: 255\nbands: [B, G, R, N]\n"
    )
    (root / "groups.csv").write_text("name,group\n" + "".join(f"{i},g{i % 4}\n" for i in range(10)))
    return root


def test_groups_may_be_given(mixed, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("name,group\n" + "".join(f"{i},{'ab'[i > 6]}\n" for i in range(10)))
    assert stats(mixed).group_sizes == {"g0": 3, "g1": 3, "g2": 2, "g3": 2}
    assert stats(mixed, groups=table).group_sizes == {"a": 7, "b": 3}
    assert stats(mixed, group_regex=".").groups == 10


def test_numbers_are_those_of_numpy_and_scikit_image(mixed):
    data = open_dataset(mixed)
    found = summarise(survey_dataset(data, regions=True))
    samples = list(data)
    pixels = np.concatenate([sample.image.reshape(-1, 4) for sample in samples])
    ids = np.concatenate([sample.mask.ravel() for sample in samples])
    assert [band.name for band in found.bands] == ["B", "G", "R", "N"]
    for i, band in enumerate(found.bands):
        assert (band.low, band.high) == (pixels[:, i].min(), pixels[:, i].max())
        assert band.mean == pytest.approx(pixels[:, i].mean())
        assert band.deviation == pytest.approx(pixels[:, i].std())
    for class_id, one in enumerate(found.classes):
        assert one.pixels == (ids == class_id).sum()
        assert one.share == pytest.approx((ids == class_id).sum() / (ids != 255).sum())
        assert one.images == sum((sample.mask == class_id).any() for sample in samples)
    for class_id in (1, 2):
        areas = [
            region.area
            for sample in samples
            for region in regionprops(label(sample.mask == class_id, connectivity=2))
        ]
        one = found.classes[class_id]
        assert one.regions == len(areas)
        assert one.areas == pytest.approx(np.quantile(areas, (0, 0.25, 0.5, 0.75, 1)))
        assert (
            list(one.histogram) == np.histogram(areas, 2.0 ** np.arange(len(one.histogram) + 1))[0].tolist()
        )
    assert found.ignored == pytest.approx((ids == 255).mean())
    assert found.nodata == 0
    assert found.sizes == {"30x20": 7, "16x16": 3}
    assert (found.depths, found.images, found.empty, found.groups) == ({"uint16": 10}, 10, 1, 4)
    assert found.group_sizes == {"g0": 3, "g1": 3, "g2": 2, "g3": 2}


def test_a_sample_that_cannot_be_read_costs_only_itself(mixed):
    (mixed / "images" / "3.tif").write_bytes(b"II*\0nonsense")
    found = stats(mixed)
    assert found.images == 9
    assert list(found.unreadable) == ["3"]
    for file in (mixed / "images").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match="no sample can be read"):
        stats(mixed)


def test_regions_of_a_power_of_two_are_in_their_own_bin(tmp_path):
    assert region_areas(np.zeros((3, 3), dtype=bool)) == []
    mask = np.zeros((8, 40), dtype=np.uint8)
    mask[0, 0], mask[0, 2:5], mask[0, 6:10], mask[:, 20:28] = 1, 1, 1, 1
    for kind, array in (("images", mask), ("masks", mask)):
        (tmp_path / kind).mkdir()
        Image.fromarray(array).save(tmp_path / kind / "a.png")
    data = open_dataset(tmp_path)
    survey = survey_dataset(data, regions=True)
    assert sorted(survey.samples[0].areas[1]) == [1, 3, 4, 64]
    assert summarise(survey).classes[1].histogram == (1, 1, 1, 0, 0, 0, 1)


def test_stats_writes_numbers_and_pictures(mixed, tmp_path):
    found = stats(mixed, out=tmp_path / "out")
    assert json.loads((tmp_path / "out" / "statistics.json").read_text()) == found.model_dump(mode="json")
    for name in ("statistics.png", "samples.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.width > 800
            assert len(picture.convert("RGB").getcolors(2**24)) > 100


def test_samples_are_chosen_so_that_each_class_is_shown():
    shares = {f"i{i:03}": np.array([1.0, 0.0, 0.0]) for i in range(100)}
    shares["i017"] = np.array([0.5, 0.5, 0.0])
    shares["i083"] = np.array([0.5, 0.0, 0.5])
    chosen = choose_samples(shares, 10)
    assert len(chosen) == 10
    assert {"i017", "i083"} <= set(chosen)
    assert chosen == sorted(chosen)
    assert choose_samples(shares, 1) in (["i017"], ["i083"])
    assert choose_samples(dict(list(shares.items())[:3]), 10) == ["i000", "i001", "i002"]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn."""
    figures = []

    class Kept(Figure):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            figures.append(self)

    monkeypatch.setattr(statistics_figure, "Figure", Kept)
    return figures


def _texts(figure):
    return {text.get_text() for text in figure.findobj(Text)}


def test_names_are_no_formulas_and_lose_their_middle(mixed, tmp_path, drawn):
    names = [f"$1_$ north of the old road {i % 4}" for i in range(10)]
    lines = "".join(f"{i},{name}\n" for i, name in enumerate(names))
    (mixed / "groups.csv").write_text("name,group\n" + lines)
    stats(mixed, out=tmp_path / "out")
    shown = {text for text in _texts(drawn[0]) if text.startswith("$1_$")}
    assert shown == {f"$1_$ north o… old road {i}" for i in range(4)}
    assert {len(text) for text in shown} == {24}


def test_groups_are_only_counted_where_there_are_any(mixed, tmp_path, drawn):
    stats(mixed, out=tmp_path / "out")
    assert "mixed: 10 images, 4 groups" in _texts(drawn[0])
    (mixed / "groups.csv").unlink()
    stats(mixed, out=tmp_path / "out")
    assert "mixed: 10 images" in _texts(drawn[1])


def test_the_legend_covers_no_curve_and_no_title_leaves_its_panel(mixed, tmp_path, drawn):
    many = [f"class number {i}" for i in range(9)]
    (mixed / "dataset.yaml").write_text(f"classes: [background, {', '.join(many)}]\n")
    for file in (mixed / "masks").iterdir():
        size = Image.open(file).size[::-1]
        Image.fromarray(RNG.integers(0, 10, size, dtype=np.uint8)).save(file)
    stats(mixed, out=tmp_path / "out")
    (figure,) = drawn
    (legend,) = (axes.get_legend() for axes in figure.axes if axes.get_legend())
    assert len(legend.get_texts()) == 6
    assert "pixels of a region (and 3 more classes)" in _texts(figure)
    panels = [axes.get_window_extent() for axes in figure.axes]
    assert not any(legend.get_window_extent().overlaps(panel) for panel in panels)
    for axes, panel in zip(figure.axes, panels, strict=True):
        (title,) = (one for one in axes.findobj(Text) if one.get_text() == axes.get_title("left"))
        assert title.get_window_extent().x1 < panel.x1


def test_bands_that_were_filled_are_counted(mixed, tmp_path, drawn):
    for i in (2, 5, 8):
        image = RNG.integers(0, 4096, (20, 30, 4), dtype=np.uint16)
        image[..., 2] = 0 if i != 8 else 7
        write_bands(mixed / "images" / f"{i}.tif", np.zeros_like(image) if i == 5 else image)
        Image.new("L", (30, 20)).save(mixed / "masks" / f"{i}.png")
    found = stats(mixed, out=tmp_path / "out")
    assert [band.flat for band in found.bands] == [0, 0, 2, 0]  # the fifth image is constant as a whole
    assert "R (flat in 2)" in _texts(drawn[0])


def test_the_sheet_says_what_its_shares_are_and_names_only_what_is_there(mixed, tmp_path, monkeypatch):
    written, named = [], []
    plain_text, plain_legend = sample_sheet.draw_text, sample_sheet.draw_legend

    def text(string, *args, **options):
        written.append(string)
        return plain_text(string, *args, **options)

    def legend(entries, *args):
        named.append([name for _, name in entries])
        return plain_legend(entries, *args)

    monkeypatch.setattr(sample_sheet, "draw_text", text)
    monkeypatch.setattr(sample_sheet, "draw_legend", legend)
    mask = np.zeros((30, 20), np.uint8)
    mask[:3] = 1
    Image.fromarray(mask.T).save(mixed / "masks" / "4.png")
    draw_sheet(open_dataset(mixed), ["4"], tmp_path / "sheet.png", "one")
    draw_sheet(open_dataset(mixed), ["3", "4"], tmp_path / "sheet.png", "two")
    assert "10.0% labelled" in written
    assert named == [["crack", "busbar"], ["crack", "busbar", "ignored"]]


def test_of_more_classes_than_a_panel_contains_the_largest_are_drawn_in_their_order(tmp_path, drawn):
    rng = np.random.default_rng(0)
    (tmp_path / "dataset.yaml").write_text(f"classes: {[f'c{i}' for i in range(24)]}\n")
    mask = np.repeat(np.arange(24, dtype=np.uint8), 1 + np.arange(24))[None]  # the last are the largest
    for kind, pixels in (("images", rng.integers(0, 256, mask.shape, np.uint8)), ("masks", mask)):
        (tmp_path / kind).mkdir()
        Image.fromarray(pixels).save(tmp_path / kind / "a.png")
    stats(tmp_path, out=tmp_path / "out")
    shares = drawn[0].axes[0]
    assert [text.get_text() for text in shares.get_yticklabels()] == [f"c{i}" for i in range(4, 24)]
    assert [bar.get_width() for bar in shares.patches] == pytest.approx(np.arange(5, 25) / mask.size)
    assert shares.get_xlabel() == "share of pixels (and 4 more, none larger)"
