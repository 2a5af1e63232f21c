import cv2
import numpy as np
import pytest

from solarseg.duplicates.mask_agreement import masks_agree
from solarseg.duplicates.perceptual_hash import apply_symmetry
from solarseg.duplicates.search import find_duplicates

IDENTITY = np.eye(2, 3, dtype=np.float32)


def lines(*ends, side=300, width=2):
    mask = np.zeros((side, side), np.uint8)
    for start, end in ends:
        cv2.line(mask, start, end, 1, width)
    return mask


CRACK = lines(((40, 60), (250, 200)))
BRANCHED = lines(((40, 60), (250, 200)), ((145, 130), (200, 60)))


def texture(seed):
    noise = np.random.default_rng(seed).normal(size=(300, 300)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    return (128 + 40 * blurred / blurred.std()).clip(0, 255).astype(np.uint8)[..., None]


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        (CRACK, CRACK, True),
        (CRACK, np.roll(CRACK, 3, axis=0), True),
        (CRACK, np.roll(CRACK, 12, axis=0), False),
        (CRACK, BRANCHED, False),
        (BRANCHED, CRACK, False),
        (CRACK, 0 * CRACK, False),
        (0 * CRACK, 0 * CRACK, True),
        (255 * CRACK, 0 * CRACK, True),  # ignored pixels do not count
        (CRACK, 3 * CRACK, True),  # of another class
        (CRACK, cv2.resize(CRACK, (150, 150), interpolation=cv2.INTER_NEAREST), True),
    ],
)
def test_masks_by_hand(first, second, agree):
    assert masks_agree(first, second, IDENTITY) == agree


@pytest.mark.parametrize(("overlap", "agree"), [(95, True), (80, False)])
def test_nine_tenths_of_each_must_be_in_the_other(overlap, agree):
    """Bars that overlap by a given percentage; a tolerance of 2/128 of the side applies at either end."""
    first, second = np.zeros((2, 256, 256), np.uint8)
    first[100:150, 20:220] = 1
    second[100:150, 220 - 2 * overlap : 420 - 2 * overlap] = 1
    assert masks_agree(first, second, IDENTITY) == agree


@pytest.mark.parametrize("symmetry", range(8))
@pytest.mark.parametrize(
    ("second", "kind"),
    [(CRACK, "near"), (BRANCHED, "different masks"), (np.flipud(CRACK), "different masks")],
)
def test_masks_are_transformed_as_their_images(symmetry, second, kind):
    crop = np.s_[12:, :-9]
    images = {"a": texture(0), "b": np.ascontiguousarray(apply_symmetry(texture(0), symmetry)[crop])}
    masks = {"a": CRACK, "b": apply_symmetry(second, symmetry)[crop]}
    found = find_duplicates(["a", "b"], images.__getitem__, load_mask=masks.__getitem__)
    assert [pair.kind for pair in (*found.pairs, *found.different_masks)] == [kind]
    assert len(found.pairs) == (kind == "near")


def test_foreground_removed_by_a_crop_does_not_count():
    edge = np.zeros((300, 300), np.uint8)
    edge[20:280, 8:10] = 1
    images = {"a": texture(1), "b": texture(1)[:, 10:]}
    masks = {"a": edge, "b": edge[:, 10:]}
    assert not masks["b"].any()
    for order in ("ab", "ba"):
        assert len(find_duplicates(list(order), images.__getitem__, load_mask=masks.__getitem__).pairs) == 1
