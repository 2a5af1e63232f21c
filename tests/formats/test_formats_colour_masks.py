import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from solarseg.datasets.sample import Sample
from solarseg.errors import DatasetError, MaskError
from solarseg.formats import READERS, ReadOptions, open_source
from solarseg.formats.source import Source

TABLE = "name,red,green,blue\nbackground,0,0,0\ncell,255,255,255\ncrack,255,0,0\ninactive,20,60,250\n"
COLOURS = np.array([(0, 0, 0), (255, 255, 255), (255, 0, 0), (20, 60, 250)], np.uint8)


def write(file: Path, pixels: np.ndarray, **options: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)


def write_sample(
    folder: Path, mask: np.ndarray, name: str = "a.png", table: str = TABLE, **options: object
) -> Path:
    write(folder / "images" / Path(name).with_suffix(".png"), np.zeros(mask.shape[:2], np.uint8))
    write(folder / "masks" / name, mask, **options)
    if table:
        (folder / "colours.csv").write_text(table)
    return folder


def load(folder: Path, **options: object) -> tuple[Source, Sample]:
    source = open_source(folder, "colour-masks", ReadOptions(**options))
    [entry] = source.parts[0].entries()
    return source, entry.load()


IDS = np.array([[0, 1, 2, 3], [3, 3, 0, 1]])


def test_colours_become_class_ids(tmp_path):
    source, sample = load(write_sample(tmp_path, COLOURS[IDS]))
    assert source.classes.names == ("background", "cell", "crack", "inactive")
    assert source.classes.colours == tuple(map(tuple, COLOURS.tolist()))
    assert source.classes.ignore
    assert sample.mask.tolist() == IDS.tolist()


@pytest.mark.parametrize(
    ("table", "names", "ids"),
    [
        ("Class,R,G,B\nbackground,0,0,0\ncrack,255,0,0\n", ["background", "crack"], [0, 1]),
        ("label, Red ,GREEN,blue\n_background_,0,0,0\ncrack,255,0,0\n", ["_background_", "crack"], [0, 1]),
        ("name,hex\nbackground,#000000\ncrack,ff0000\n", ["background", "crack"], [0, 1]),
        ("colour,name\n#FF0000,crack\n#000000,Background\n", ["Background", "crack"], [0, 1]),
        ("name;red;green;blue\nbackground;0;0;0\ncrack;255;0;0\n", ["background", "crack"], [0, 1]),
        # No row says it is the background: black is, whichever row has it.
        ("name,red,green,blue\nnothing,0,0,0\ncrack,255,0,0\n", ["nothing", "crack"], [0, 1]),
        ("name,red,green,blue\ncrack,255,0,0\n", ["background", "crack"], [0, 1]),
        ("name,red,green,blue\ncrack,255,0,0\ncell,0,0,0\n", ["cell", "crack"], [0, 1]),
        # Words for colours, numbers and kinds of classes next to the names, as published tables have them.
        (
            "Label,Class,Desc,Color,Red,Green,Blue\n0,feature,none,Black,0,0,0\n1,defect,crack ,Red,255,0,0\n",
            ["none", "crack"],
            [0, 1],
        ),
        ("\ufeffname;x,red,green,blue,name\n1,0,0,0,none\n2,255,0,0,crack\n", ["none", "crack"], [0, 1]),
    ],
)
def test_tables(table, names, ids, tmp_path):
    mask = np.array([[(0, 0, 0), (255, 0, 0)]], np.uint8)
    source, sample = load(write_sample(tmp_path, mask, table=table))
    assert list(source.classes.names) == names
    assert sample.mask.tolist() == [ids]


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ("", "contains no table of colours; give one as `colours`"),
        ("name,red,green,blue\n", "has no column of names that differ"),
        ("red,green,blue\n0,0,0\n", "has no column of names that differ"),
        ("name,red,green,blue\na,0,0,0\na,1,0,0\n", "has no column of names that differ"),
        ("name,red,green,blue\n1,0,0,0\n2,1,0,0\n", "has no column of names that differ"),
        ("name,red,green,blue\na,1,1,1\nb,1,1,1\n", "gives #010101 to two classes"),
        ("name,red,green,blue\na,0,0,0\nb,256,0,0\n", r"no colour in the line \['b', '256', '0', '0'\]"),
        ("name,red,green,blue\na,0,0,0\nb,1,,0\n", r"no colour in the line"),
        ("name,colour\na,#000000\nb,red\n", r"no colour in the line"),
        ("name,red,green,blue\na,0,0,0\n", "classes: found 1; 2 to 255 are allowed"),
    ],
)
def test_tables_that_are_none(table, match, tmp_path):
    write_sample(tmp_path, COLOURS[IDS], table=table)
    options = ReadOptions(colours=tmp_path / "colours.csv") if table else ReadOptions()
    with pytest.raises(DatasetError, match=match) as error:
        open_source(tmp_path, "colour-masks", options)
    assert "\n" not in str(error.value)


def test_a_table_is_found_next_to_or_given(tmp_path):
    folder = write_sample(tmp_path / "data", COLOURS[IDS])
    (folder / "notes.csv").write_text("image,weather\na,fine\n")
    assert len(load(folder)[0].classes) == 4
    (folder / "more.csv").write_text(TABLE)
    with pytest.raises(DatasetError, match=r"several tables of colours \(colours\.csv, more\.csv\)"):
        open_source(folder)
    assert len(load(folder, colours=folder / "more.csv")[0].classes) == 4
    with pytest.raises(DatasetError, match=r"none\.csv: cannot be read"):
        load(folder, colours=folder / "none.csv")


def test_coloured_masks_are_distinguished_from_others(tmp_path):
    kinds = {
        "coloured": (COLOURS[IDS], {}, "colour-masks"),
        "grey": (np.repeat(IDS.astype(np.uint8)[..., None], 3, axis=-1), {}, "folders"),
        "numbers": (IDS.astype(np.uint8), {}, "folders"),
    }
    for name, (mask, options, format_name) in kinds.items():
        folder = write_sample(tmp_path / name, mask, table="", **options)
        assert [each for each in READERS if _reader(each).detect(folder)] == [format_name]
    palette = Image.fromarray(IDS.astype(np.uint8))
    palette.putpalette(COLOURS.ravel().tolist() + 756 * [0])
    palette.save(tmp_path / "numbers" / "masks" / "a.png")
    assert _reader("folders").detect(tmp_path / "numbers")
    assert not _reader("colour-masks").detect(tmp_path / "numbers")
    # A table next to says that numbers are its lines.
    (tmp_path / "numbers" / "table.csv").write_text(TABLE)
    assert _reader("colour-masks").detect(tmp_path / "numbers")
    assert not _reader("folders").detect(tmp_path / "numbers")


def _reader(name):
    from solarseg.registry import lookup

    return lookup("format", READERS, name)


@pytest.mark.parametrize("kind", ["grey", "palette", "alpha", "tiff"])
def test_other_kinds_of_pictures(kind, tmp_path):
    if kind == "grey":  # the numbers of the table's lines
        write_sample(tmp_path, IDS.astype(np.uint8))
    elif kind == "palette":
        write_sample(tmp_path, COLOURS[IDS])
        Image.fromarray(COLOURS[IDS]).quantize(8).save(tmp_path / "masks" / "a.png")
    elif kind == "alpha":
        write_sample(tmp_path, np.dstack([COLOURS[IDS], np.full(IDS.shape, 7, np.uint8)]))
    else:
        write_sample(tmp_path, COLOURS[IDS], "a.tif")
    assert load(tmp_path)[1].mask.tolist() == IDS.tolist()


def test_numbers_count_the_lines_of_the_table(tmp_path):
    table = "name,red,green,blue\ncrack,255,0,0\nbackground,0,0,0\nbusbar,0,0,255\n"
    source, sample = load(write_sample(tmp_path, np.array([[0, 1, 2]], np.uint8), table=table))
    assert source.classes.names == ("background", "crack", "busbar")
    assert sample.mask.tolist() == [[1, 0, 2]]


def test_a_published_benchmark_of_numbers_with_a_table_of_colours(tmp_path):
    for split in ("train", "val", "test"):
        write(tmp_path / f"el_images_{split}" / "a.png", np.zeros((1, 3), np.uint8))
        write(tmp_path / f"el_masks_{split}" / "a.png", np.array([[0, 2, 1]], np.uint8))
    write(tmp_path / "el_masks_rgb" / "a.png", np.array([[(0, 0, 0), (9, 9, 9), (7, 0, 0)]], np.uint8))
    (tmp_path / "ListOfClasses.csv").write_text(
        "Class,Desc,Color,Red,Green,Blue,Label,Gray\nfeature,none,Black,0,0,0,0,0\n"
        "defect,crack ,Red,7,0,0,1,2\nfeature,busbar,gray,9,9,9,2,9\n"
    )
    source = open_source(tmp_path)
    assert source.classes.names == ("none", "crack", "busbar")
    assert {sample.name: sample.mask.tolist() for sample in source} == {
        f"el_{split}/a": [[0, 2, 1]] for split in ("test", "train", "val")
    }


def draw(seed: int, size: int, times: int) -> np.ndarray:
    """Class ids of ellipses and bars, `times` as large as the picture will be."""
    rng = np.random.default_rng(seed)
    picture = Image.new("L", (size * times, size * times))
    pen = ImageDraw.Draw(picture)
    for class_id in (1, 3, 2):
        x, y, width, height = (rng.integers(10, 30, 4) * times).tolist()
        pen.ellipse([x, y, x + width, y + height], fill=class_id)
        line = (rng.integers(0, size, 4) * times).tolist()
        pen.line(line, fill=class_id, width=4 * times)
    return np.asarray(picture)


def test_antialiased_edges_take_the_nearer_class_or_none(tmp_path):
    times, size, edges, ignored = 8, 64, 0, 0
    for seed in range(30):
        large = draw(seed, size, times)
        cells = large.reshape(size, times, size, times).transpose(0, 2, 1, 3).reshape(size, size, -1)
        shares = np.stack([(cells == class_id).mean(axis=-1) for class_id in range(4)], axis=-1)
        write_sample(tmp_path, (shares @ COLOURS.astype(float)).round().astype(np.uint8))
        mask = load(tmp_path, max_unknown=0.02)[1].mask
        settled = mask != 255
        two = (shares > 0).sum(axis=-1) <= 2
        clear = np.sort(shares, axis=-1)[..., -1] > 0.52
        right = shares.argmax(axis=-1) == mask
        assert right[settled & two & clear].all()
        # Where three meet, a colour may be of no class, but never of one that is not there.
        present = (
            np.take_along_axis(shares, np.where(settled, mask, 0)[..., None].astype(int), axis=-1)[..., 0] > 0
        )
        assert present[settled].all()
        edge = (shares > 0).sum(axis=-1) == 2
        edges, ignored = edges + int(edge.sum()), ignored + int((edge & ~settled).sum())
    # Faint ends of thin lines, whose own colour is nowhere near.
    assert ignored / edges < 0.04


def test_a_mixture_counts_only_where_both_colours_are_near(tmp_path):
    mask = np.zeros((40, 40, 3), np.uint8)
    mask[:, 20:] = (255, 0, 0)
    mask[20, 20] = (130, 0, 0)  # on the edge
    mask[20, 33] = (130, 0, 0)  # far within red
    mask[20, 5] = (0, 0, 200)  # no mixture of anything here
    mask[30, 20] = (130, 20, 0)  # off the line between black and red
    mask[31, 19] = (120, 2, 3)  # nearly on it
    result = load(write_sample(tmp_path, mask))[1].mask
    expected = np.zeros((40, 40), np.uint8)
    expected[:, 20:] = 2
    expected[20, 33] = expected[20, 5] = expected[30, 20] = 255
    expected[20, 20] = 2
    assert np.array_equal(result, expected)


def spoil(folder: Path, name: str) -> Path:
    mask = np.zeros((20, 20, 3), np.uint8)
    mask[5:10, 5:10] = (255, 0, 0)
    mask[0, :3] = (10, 20, 30)
    mask[0, 3] = (7, 7, 7)
    return write_sample(folder, mask, name)


def test_unknown_colours_are_counted_and_refused(tmp_path, caplog):
    for name in ("a.png", "b.png"):
        spoil(tmp_path, name)
    source = open_source(tmp_path, options=ReadOptions(max_unknown=0.009))
    first, _ = source.parts[0].entries()
    found = (
        r"masks/a\.png: 4 of 400 pixels \(1\.00%\) have a colour of no class, most often #0a141e \(3 pixels\); correct "
        r"the mask, add it to .*colours\.csv, or allow more by `max_unknown`"
    )
    with pytest.raises(MaskError, match=found):
        first.load()
    with caplog.at_level(logging.DEBUG, logger="solarseg"):
        samples = list(open_source(tmp_path, options=ReadOptions(max_unknown=0.01)))
    assert [(sample.mask == 255).sum() for sample in samples] == [4, 4]
    said = [record for record in caplog.records if "have a colour of no class" in record.message]
    assert [record.levelno for record in said] == [logging.WARNING, logging.DEBUG]


def test_colours_that_are_a_few_levels_off_are_taken_for_their_class(tmp_path):
    table = (
        "name,red,green,blue\nbackground,0,0,0\ncrack,255,0,0\nbusbar,0,100,0\nfinger,0,106,0\nink,0,0,6\n"
    )
    shown = {
        (0, 4, 0): 0, (4, 4, 0): 0, (3, 0, 0): 0, (5, 0, 0): 255,
        (251, 4, 4): 1, (250, 0, 0): 255, (255, 5, 0): 255,
        (0, 96, 0): 2, (0, 102, 0): 2, (0, 104, 0): 3, (4, 110, 4): 3, (0, 103, 0): 255,  # as near to both
        (0, 0, 2): 0, (0, 0, 4): 4, (0, 0, 10): 4, (0, 0, 3): 255, (3, 0, 3): 255,
    }  # fmt: skip
    for number, (colour, class_id) in enumerate(shown.items()):
        _, sample = load(
            write_sample(tmp_path / f"{number}", np.full((4, 6, 3), colour, np.uint8), table=table),
            max_unknown=1.0,
        )
        assert (sample.mask == class_id).all(), colour


def test_jpeg_masks_are_refused(tmp_path):
    large = draw(1, 128, 1)
    write_sample(tmp_path, COLOURS[large], "a.jpg", quality=90)
    with pytest.raises(MaskError, match=r"a\.jpg: .* have a colour of no class"):
        load(tmp_path)


@pytest.mark.parametrize("depth", [np.uint16, np.float32])
def test_deep_masks_are_refused(depth, tmp_path):
    write_sample(tmp_path, COLOURS[IDS])
    (tmp_path / "masks" / "a.png").unlink()
    assert cv2.imwrite(str(tmp_path / "masks" / "a.tif"), COLOURS[IDS].astype(depth))
    with pytest.raises(
        MaskError, match=r"a\.tif: mask has 3 bands of (uint16|float32); colours are 3 bands of 8 bits"
    ):
        load(tmp_path)


def test_a_damaged_mask_costs_its_own_sample(tmp_path):
    for name in ("a.png", "b.png"):
        write_sample(tmp_path, COLOURS[IDS], name)
    (tmp_path / "masks" / "a.png").write_bytes(b"nothing")
    first, second = open_source(tmp_path).parts[0].entries()
    with pytest.raises(MaskError, match=r"masks/a\.png: cannot be read"):
        first.load()
    assert second.load().mask.tolist() == IDS.tolist()


def test_a_mask_whose_grey_levels_mean_two_things_is_refused(tmp_path):
    """0 is black, the background's colour, and also the number of the first line, a crack."""
    table = "name,red,green,blue\ncrack,255,0,0\nbackground,0,0,0\n"
    folder = write_sample(tmp_path, np.zeros((2, 2), np.uint8), table=table)
    with pytest.raises(
        MaskError, match=r"a\.png: its grey levels are colours of .* and numbers of its lines"
    ):
        load(folder)
    write_sample(tmp_path, np.array([[1, 0]], np.uint8), table=table)
    assert load(folder)[1].mask.tolist() == [[0, 1]]
