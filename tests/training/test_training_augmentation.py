import numpy as np
import pytest
import torch

from solarseg.training.augmentation import Augmentation, add_glare


def batch(bands=3):
    """Images whose first band is 0.75 on the mask and 0.25 elsewhere."""
    masks = torch.zeros(4, 64, 64, dtype=torch.uint8)
    masks[:, 10:30, 20:50] = 2
    masks[:, 40:60, 5:25] = 255
    images = (0.25 + 0.5 * (masks == 2).float())[:, None].repeat(1, bands, 1, 1)
    return images, masks


@pytest.mark.parametrize("kind", ["none", "light", "standard", "outdoor"])
@pytest.mark.parametrize("bands", [1, 3, 13])
def test_shapes_ranges_and_ids_are_kept(kind, bands):
    images, masks = batch(bands)
    changed, moved = Augmentation(kind)(images, masks, seed=1)
    assert changed.shape == images.shape
    assert moved.dtype == torch.uint8
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    assert set(moved.unique().tolist()) <= {0, 2, 255}


def test_light_moves_image_and_mask_alike_and_loses_nothing():
    images, masks = batch()
    for seed in range(8):
        changed, moved = Augmentation("light")(images, masks, seed)
        assert torch.equal(changed[:, 0] > 0.5, moved == 2)
        # A quarter turn interpolates at pixel centres, exact but for rounding.
        assert torch.allclose(changed.flatten(1).sort().values, images.flatten(1).sort().values, atol=1e-4)


def test_standard_keeps_image_and_mask_in_register():
    """Images that are their own masks still are; brightness does not change a half-way threshold."""
    masks = torch.zeros(256, 64, 64, dtype=torch.uint8)
    masks[:, 10:30, 20:50] = 1
    changed, moved = Augmentation("standard")(0.25 + 0.5 * masks[:, None].float(), masks, 0)
    halfway = (changed.amax((1, 2, 3)) + changed.amin((1, 2, 3))) / 2
    alike = ((changed[:, 0] > halfway[:, None, None]) == (moved == 1)).float().mean((1, 2))
    assert float(alike.min()) > 0.97
    # Shifted or turned without their images, masks would be far off; some must be moved, or this test shows nothing.
    squares = (moved == 1).sum((1, 2))
    assert int((squares != 600).sum()) > 10


def test_standard_leaves_most_images_as_they_are_but_for_flips_and_turns():
    torch.manual_seed(0)
    images = 0.3 + 0.4 * torch.rand(512, 1, 32, 32)
    changed, _ = Augmentation("standard")(images, torch.zeros(512, 32, 32, dtype=torch.uint8), 0)
    values = [batch.flatten(1).sort().values for batch in (images, changed)]
    kept = (values[0] - values[1]).abs().amax(1) < 1e-4
    expected = 0.9 * 0.95**5
    deviation = (expected * (1 - expected) / 512) ** 0.5
    assert abs(float(kept.float().mean()) - expected) < 4 * deviation


def test_the_same_seed_gives_the_same_whatever_was_drawn_before():
    images, masks = batch()
    augment = Augmentation("outdoor")
    first, _ = augment(images, masks, 7)
    torch.rand(5)
    before = torch.get_rng_state()
    again, _ = augment(images, masks, 7)
    other, _ = augment(images, masks, 8)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_none_changes_nothing():
    images, masks = batch()
    changed, moved = Augmentation("none")(images, masks, 0)
    assert changed is images
    assert moved is masks


def test_glare_whitens_panels_alone_and_leaves_their_texture():
    torch.manual_seed(0)
    images = torch.rand(64, 3, 16, 16) * 0.4
    panels = torch.zeros(64, 16, 16, dtype=torch.bool)
    panels[:, :8] = True
    veiled = add_glare(images, panels)
    assert torch.equal(veiled[:, :, 8:], images[:, :, 8:])
    changed = (veiled != images).flatten(1).any(1)
    assert 0.2 < float(changed.float().mean()) < 0.6  # four in ten
    for before, after in zip(images[changed], veiled[changed], strict=True):
        assert float(after[:, :8].mean()) > float(before[:, :8].mean())
        together = np.corrcoef(before[0, :8].ravel(), after[0, :8].ravel())[0, 1]
        assert together > 0.999


@pytest.mark.parametrize("kind", ["light", "standard", "outdoor"])
def test_mixed_precision_does_not_reach_augmentation(kind):
    images, masks = (part.repeat_interleave(32, dim=0) for part in batch())  # enough for what is rare
    exact, moved = Augmentation(kind)(images, masks, 3)
    with torch.autocast("cpu", torch.bfloat16):
        within, moved_within = Augmentation(kind)(images, masks, 3)
    assert torch.equal(exact, within)
    assert torch.equal(moved, moved_within)


def test_strengths_are_shares_of_the_range():
    images, masks = (part.repeat_interleave(32, dim=0) for part in batch())  # enough for what is rare
    low, high = (0.0, 0.01, -5.0), (0.0625, 0.05, 20.0)
    span = torch.tensor(high) - torch.tensor(low)
    place = (torch.tensor(low).view(1, 3, 1, 1), span.view(1, 3, 1, 1))
    scaled, moved = Augmentation("standard", low, high)(place[0] + images * place[1], masks, 5)
    plain, moved_plain = Augmentation("standard")(images, masks, 5)
    assert torch.allclose((scaled - place[0]) / place[1], plain, atol=1e-4)
    assert torch.equal(moved, moved_plain)
