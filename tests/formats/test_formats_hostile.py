"""Annotation files that are damaged, or made to do harm: each costs at most itself, and is said in a line."""

import json
import random
import re
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from solarseg.errors import DataError, MaskError, SolarsegError
from solarseg.formats import READERS, open_source

TEXT = {".json", ".yaml", ".txt", ".csv", ".tfrecord", ".gz"}
CASES = 500
NUMBER = re.compile(rb"-?\d+(\.\d+)?")
ODD = [
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-1",
    b"1000000000",
    b"9" * 30,
    b"9" * 5000,
    b"0.1" + b"0" * 400,
    b"null",
    b"true",
    b'"7"',
    b"[]",
    b"{}",
    b"[[1, 2], [3, 4]]",
    b'"\\ud800"',
    b'"\\u0000"',
    b'"../../../etc/passwd"',
    b'"' + b"x" * 100_000 + b'"',
    b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
]


def contract() -> ModuleType:
    file = Path(__file__).parents[1] / "contracts" / "test_readers_contract.py"
    spec = spec_from_file_location("readers_contract", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def replace_number(content: bytes, rng: random.Random) -> bytes:
    found = list(NUMBER.finditer(content))
    if not found:
        return content
    one = rng.choice(found)
    return content[: one.start()] + rng.choice(ODD) + content[one.end() :]


def replace_string(content: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(rb'"[^"]*"', content))
    if not found:
        return rng.choice(ODD) + content
    one = rng.choice(found)
    return content[: one.start()] + rng.choice(ODD) + content[one.end() :]


def flip(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice([1, 3, 30])):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def repeat(content: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] * rng.choice([1, 5, 100]) + content[end:]


def insert(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    laughs = b"\na: &a [x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c,*c]\n"
    entities = (
        b'<!DOCTYPE a [<!ENTITY b "xx"><!ENTITY c "&b;&b;">]><annotations><image>&c;</image></annotations>'
    )
    return (
        content[:place]
        + rng.choice([*ODD, laughs, entities, b"\n" * 9999, b" 0.5" * 99_999])
        + content[place:]
    )


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    replace_number,
    replace_number,
    replace_string,
    flip,
    truncate,
    repeat,
    insert,
]


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_mutated_annotations_cost_at_most_themselves(name: str, tmp_path: Path) -> None:
    path, _, _ = contract().build(name, tmp_path / "data")
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    files = [file for file in files if file.suffix in TEXT]
    rng = random.Random(name)
    if not files:  # masks are pictures; their lists of classes are text
        files = [path / "dataset.yaml"]
        files[0].write_text("classes: [background, busbar, crack]\nbands: [red, green, blue]\nlicence: x\n")
    originals = {file: file.read_bytes() for file in files}
    for _ in range(CASES // len(READERS) + 1):
        file = rng.choice(files)
        content = originals[file]
        for _ in range(rng.choice([1, 1, 2])):
            content = rng.choice(MUTATIONS)(content, rng)
        file.write_bytes(content)
        read_all(path, name, rng)
        file.write_bytes(originals[file])


def read_all(path: Path, name: str, rng: random.Random) -> None:
    """Read all that can be read; whatever cannot must raise an error of ours, of one line."""
    errors: list[SolarsegError] = []
    try:
        source = open_source(path, rng.choice([name, None]))
    except SolarsegError as error:
        errors.append(error)
    else:
        for part in source.parts:
            try:
                for entry in part.entries():
                    try:
                        sample = entry.load()
                        assert sample.mask.shape == sample.image.shape[:2]
                    except DataError as error:
                        errors.append(error)
            except DataError as error:
                errors.append(error)
        assert all(what for what in source.left_out.items().values())
    for error in errors:
        assert "\n" not in str(error)
        assert len(str(error)) < 3000


WHOLE = [[0, 0], [399, 0], [399, 399], [0, 399]]


def labelme(root: Path) -> None:
    shapes = [{"label": "a", "points": WHOLE, "shape_type": "polygon"}] * 5000
    (root / "a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png"}))


def yolo(root: Path) -> None:
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    (root / "a.png").rename(root / "images" / "a.png")
    (root / "data.yaml").write_text("names: [a]\ntrain: images\n")
    (root / "labels" / "a.txt").write_text("0 0 0 1 0 1 1 0 1\n" * 5000)


def coco(root: Path) -> None:
    far = [-900_000, 0, 900_000, 0, 900_000, 9, -900_000, 9]
    regions = [{"image_id": 1, "category_id": 1, "segmentation": [far]}] * 5000
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "a"}]}
    (root / "a.json").write_text(json.dumps(content | {"annotations": regions}))


def supervisely(root: Path) -> None:
    for folder in ("img", "ann"):
        (root / folder).mkdir()
    (root / "a.png").rename(root / "img" / "a.png")
    points = {"exterior": WHOLE, "interior": []}
    objects = [{"classTitle": "a", "geometryType": "polygon", "points": points}] * 5000
    annotation = {"size": {"height": 400, "width": 400}, "objects": objects}
    (root / "ann" / "a.png.json").write_text(json.dumps(annotation))


@pytest.mark.parametrize("make", [labelme, yolo, coco, supervisely])
def test_annotations_that_would_take_hours_are_refused(make: Callable[[Path], None], tmp_path: Path) -> None:
    Image.new("L", (400, 400)).save(tmp_path / "a.png")
    make(tmp_path)
    with pytest.raises(MaskError, match=r"cover the image more than 500 times|outlines of .* are drawn"):
        list(open_source(tmp_path))
