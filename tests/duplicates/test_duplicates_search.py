from collections import Counter
from functools import partial

import cv2
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solarseg.duplicates import search as near_duplicates
from solarseg.duplicates.perceptual_hash import apply_symmetry
from solarseg.duplicates.search import DuplicatePair, describe_image, find_duplicates, group_linked_images
from solarseg.errors import ImageError
from solarseg.images import read_image


def texture(seed, height=200, width=300, bands=1):
    noise = np.random.default_rng(seed).normal(size=(height, width, bands)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4).reshape(noise.shape)
    return (128 + 40 * blurred / blurred.std()).clip(0, 255).round().astype(np.uint8)


def search(images, **options):
    return find_duplicates(list(images), images.__getitem__, **options)


def pairs_of(found):
    return [(pair.first, pair.second, pair.kind, pair.symmetry) for pair in found.pairs]


def save(folder, name, image, **options):
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(folder / name, **options)


def test_files_with_the_same_image(tmp_path):
    images = {name: texture(seed, bands=3) for seed, name in enumerate("abcde")}
    for name, image in images.items():
        save(tmp_path, f"{name}.png", image)
    put = partial(save, tmp_path)
    put("a-again.tif", images["a"], compression="tiff_lzw")
    put("a-fast.png", images["a"], compress_level=1)
    put("b-turned.jpg", np.rot90(images["b"], -1), quality=60)
    put("c-grey.png", np.asarray(Image.fromarray(images["c"]).convert("L"))[..., None])
    put("d-less.webp", images["d"][4:-2, 7:], quality=80)
    cv2.imwrite(str(tmp_path / "d-deep.png"), images["d"][..., ::-1].astype(np.uint16) * 257)
    upside_down = Image.Exif()
    upside_down[274] = 3
    Image.fromarray(np.rot90(images["e"], 2)).save(tmp_path / "e-exif.png", exif=upside_down)
    (tmp_path / "f-torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    (tmp_path / "g-empty.jpg").write_bytes(b"")

    names = sorted(path.name for path in tmp_path.iterdir())
    found = find_duplicates(names, lambda name: read_image(tmp_path / name), threads=3)
    assert pairs_of(found) == [
        ("a-again.tif", "a-fast.png", "exact", 0),
        ("a-again.tif", "a.png", "exact", 0),
        ("b-turned.jpg", "b.png", "near", 1),
        ("c-grey.png", "c.png", "near", 0),
        ("d-deep.png", "d-less.webp", "near", 0),
        ("d-deep.png", "d.png", "near", 0),
        ("d-less.webp", "d.png", "near", 0),
        ("e-exif.png", "e.png", "exact", 0),
    ]
    assert sorted(found.unreadable) == ["f-torn.png", "g-empty.jpg"]
    assert "the file is empty" in str(found.unreadable["g-empty.jpg"])


@pytest.mark.parametrize("size", [(300, 200), (24, 31), (128, 128), (17, 90)])
def test_sizes_down_to_tiny_ones(size):
    height, width = size
    images = {str(seed): texture(seed, height, width) for seed in range(8)}
    images |= {
        f"{symmetry} turned": apply_symmetry(images[str(symmetry)], symmetry) for symmetry in range(1, 8)
    }
    assert pairs_of(search(images)) == [
        (str(symmetry), f"{symmetry} turned", "near", symmetry) for symmetry in range(1, 8)
    ]


def test_flat_images_are_duplicates_only_if_they_are_equal():
    images = {
        f"{level} {i}": np.full((40, 40, 1), level, np.uint8) for level in (0, 90, 255) for i in range(3)
    }
    images["black"] = np.zeros((40, 41, 1), np.uint8)
    found = search(images)
    assert pairs_of(found) == [
        (f"{level} 0", f"{level} {i}", "exact", 0) for level in (0, 90, 255) for i in (1, 2)
    ]
    assert found.proposed == 0


def test_equal_images_are_searched_once():
    image = texture(0)
    images = {f"same {i:02}": image.copy() for i in range(20)} | {"flipped": np.fliplr(image)}
    found = search(images)
    assert found.proposed == 1
    assert len(found.pairs) == 20
    assert pairs_of(found)[-1] == ("same 00", "flipped", "near", 4)


@pytest.mark.parametrize(("kept", "again"), [(13, []), (12, ["copy"]), (0, ["0", "copy"])])
def test_each_image_is_loaded_once_and_again_only_if_it_is_proposed_and_not_kept(monkeypatch, kept, again):
    monkeypatch.setattr(near_duplicates, "MAX_KEPT", kept)
    images = {str(seed): texture(seed) for seed in range(12)} | {"copy": texture(0)[2:]}
    loads = Counter()

    def load(name):
        loads[name] += 1
        return images[name]

    found = find_duplicates(list(images), load, threads=1)
    assert pairs_of(found) == [("0", "copy", "near", 0)]
    assert loads == Counter([*images, *again])


def test_images_with_descriptors_are_not_loaded():
    images = {str(seed): texture(seed) for seed in range(3)} | {"copy": texture(0)[2:]}
    described = {name: describe_image(images[name]) for name in ("0", "1", "copy")}
    found = find_duplicates(list(images), {}.__getitem__, descriptors=described, threads=1)
    assert pairs_of(found) == [("0", "copy", "near", 0)]


def test_an_image_that_is_removed_does_not_affect_others(monkeypatch):
    monkeypatch.setattr(near_duplicates, "MAX_KEPT", 0)  # so that images are read again
    images = {"a": texture(0), "a2": texture(0)[3:], "b": texture(1), "b2": texture(1)[3:]}
    loads = Counter()

    def load(name):
        loads[name] += 1
        if name == "a2" and loads[name] > 1:
            raise ImageError("a2: no such file")
        return images[name]

    found = find_duplicates(list(images), load)
    assert pairs_of(found) == [("b", "b2", "near", 0)]
    assert list(found.unreadable) == ["a2"]


def test_proposals_are_compared_in_a_stream(monkeypatch):
    proposed, compared, ahead = 300, [], []

    def propose_pairs(*_, **__):
        for _ in range(proposed):
            ahead.append(len(ahead) - len(compared))
            yield np.array([[0, 1, 0]])

    monkeypatch.setattr(near_duplicates, "propose_pairs", propose_pairs)
    monkeypatch.setattr(near_duplicates, "aligned_correlation", lambda *_: compared.append(1) or 0.0)
    found = search({"a": texture(0), "b": texture(1)}, threads=2)
    assert (found.proposed, len(compared)) == (proposed, proposed)
    assert max(ahead) < 20


def hot_spot(rng):
    (row, column), deviation = rng.uniform(90, 166, 2), rng.uniform(8, 12)
    y, x = np.mgrid[:256, :256]
    return 20 + 200 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2 / deviation**2) + grain(rng, 1)


def crack(rng):
    return draw_crack(np.full((256, 256), 120.0), rng, 80, 30, 3) + grain(rng, 4)


def octagon(rng):
    """Draw a monocrystalline cell without defects."""
    cell, corner, low, high = np.full((256, 256), 10.0), 30 + int(rng.integers(2)), 4, 252
    outline = [
        (corner, low), (high - corner, low), (high, corner), (high, high - corner),
        (high - corner, high), (corner, high), (low, high - corner), (low, corner),
    ]  # fmt: skip
    cv2.fillPoly(cell, [np.array(outline)], 130.0)
    for busbar in (60, 128, 196):
        cell[busbar : busbar + 5] = 40
    return cell + grain(rng, 5)


def cracked_octagon(rng):
    return draw_crack(octagon(rng), rng, 25, 90, 1)


def draw_crack(image, rng, length, level, width):
    angle, middle = rng.uniform(0, np.pi), rng.uniform(100, 156, 2)
    step = length * np.array([np.cos(angle), np.sin(angle)])
    ends = [tuple(int(value) for value in middle + sign * step) for sign in (-1, 1)]
    return cv2.line(image, *ends, level, width)


def grain(rng, deviation):
    return rng.normal(0, deviation, (256, 256))


def plain(draw, count):
    rng = np.random.default_rng(0)
    return {str(i): draw(rng).clip(0, 255).astype(np.uint8)[..., None] for i in range(count)}


@pytest.mark.parametrize("count", [20, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("draw", [hot_spot, crack, octagon, cracked_octagon])
def test_images_with_the_same_kind_of_feature_are_not_copies(draw, count):
    found = search(plain(draw, count))
    assert found.proposed > count  # their hashes are too similar
    assert found.pairs == ()


@pytest.mark.parametrize("draw", [hot_spot, crack, octagon, cracked_octagon])
def test_copies_of_plain_images_are_found_by_their_grain(draw):
    images = plain(draw, 2)
    copy = np.ascontiguousarray(np.rot90(images["0"])[3:, :-2])
    _, content = cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, 90])
    images["copy"] = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)[..., None]
    assert pairs_of(search(images))[0][:3] == ("0", "copy", "near")
    assert len(search(images).pairs) == 1


def test_no_images_and_one():
    assert search({}).pairs == search({"one": texture(0)}).pairs == ()


def link(first, second):
    return DuplicatePair(first, second, "near", 0, 1.0)


def test_relatives_by_hand():
    pairs = [link(*names) for names in ("ab", "cd", "ef", "bd", "gh", "hg")]
    assert group_linked_images(pairs) == {"a": 0, "b": 0, "c": 0, "d": 0, "e": 1, "f": 1, "g": 2, "h": 2}
    assert group_linked_images([]) == {}


@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=40))
def test_relatives_are_connected_components(edges):
    found = group_linked_images(link(str(a), str(b)) for a, b in edges)
    matrix = scipy.sparse.coo_array(
        (np.ones(len(edges)), tuple(np.array(edges, int).reshape(-1, 2).T)), (26, 26)
    )
    _, labels = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    assert set(found) == {str(node) for edge in edges for node in edge}
    for a in found:
        for b in found:
            assert (found[a] == found[b]) == (labels[int(a)] == labels[int(b)])


def test_real_tiles_and_cells(real_data):
    files = sorted((real_data / "pv01-tiles" / "images").iterdir())
    files += sorted((real_data / "elpv-cells" / "images").iterdir())[::11]
    images = {file.stem: read_image(file) for file in files}
    assert len(images) == 59 + 60
    assert search(images).pairs == ()
    chosen = list(images)[::9]
    for number, name in enumerate(chosen):
        copy = np.ascontiguousarray(apply_symmetry(images[name], number % 8)[2:-3, 5:-1])
        _, content = cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, 70])
        images[f"{name} copy"] = cv2.imdecode(content, cv2.IMREAD_UNCHANGED).reshape(copy.shape)
    assert pairs_of(search(images)) == [
        (name, f"{name} copy", "near", number % 8) for number, name in enumerate(chosen)
    ]


@pytest.mark.slow
def test_the_cells_that_are_wrongly_confirmed_are_known(real_data):
    """They were printed with the same screen, next to each other; docs/results/duplicates.md counts them."""
    files = sorted((real_data / "elpv-cells" / "images").iterdir())
    images = {file.stem: read_image(file) for file in files}
    assert len(images) == 654
    assert [(pair.first, pair.second) for pair in search(images).pairs] == [
        ("cell1349", "cell1350"),
        ("cell1357", "cell1358"),
    ]
