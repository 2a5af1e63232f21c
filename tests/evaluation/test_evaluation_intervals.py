import numpy as np
import pytest

from solarseg.errors import ArgumentError
from solarseg.evaluation import intervals
from solarseg.evaluation.intervals import (
    STATISTICS,
    Interval,
    bootstrap_intervals,
    bootstrap_weights,
    paired_differences,
)
from solarseg.evaluation.scores import (
    dice,
    image_iou_per_class,
    iou,
    mean_image_iou,
    mean_iou,
    pixel_accuracy,
)

PLAIN = {
    "accuracy": lambda matrices: pixel_accuracy(matrices.sum(axis=0)),
    "mean_iou": lambda matrices: mean_iou(matrices.sum(axis=0)),
    "mean_image_iou": mean_image_iou,
    "iou": lambda matrices: iou(matrices.sum(axis=0)),
    "image_iou": image_iou_per_class,
    "dice": lambda matrices: dice(matrices.sum(axis=0)),
}


def some_images(count=24, seed=0):
    """Images of 4 classes: 0 everywhere, 1 in about half of them, 2 in one, 3 in none."""
    generator = np.random.default_rng(seed)
    matrices = generator.integers(0, 20, (count, 4, 4)) + 50 * np.eye(4, dtype=np.int64)
    hidden = np.array([generator.random(count) < 0.5, np.arange(count) != 1, np.ones(count, bool)])
    for class_id, images in enumerate(hidden, start=1):
        matrices[images, class_id] = 0
        matrices[images, :, class_id] = 0
    return matrices, [f"module{i % 7}" for i in range(count)]


def pairs(found):
    return {name: [(each.low, each.high) for each in found[name]] for name in found}


def same_masks_predicted_worse(matrices, share):
    """Move some of the right pixels of each class to class 0."""
    worse = matrices.copy()
    for class_id in range(1, matrices.shape[-1]):
        moved = (matrices[:, class_id, class_id] * share).astype(np.int64)
        worse[:, class_id, class_id] -= moved
        worse[:, class_id, 0] += moved
    return worse


def resampled_by_hand(matrices, groups, score, resamples, seed):
    groups = np.array(groups)
    distinct = np.unique(groups)
    results = []
    for row in bootstrap_weights(len(distinct), resamples, np.random.default_rng(seed)):
        drawn = [
            matrices[groups == group]
            for group, times in zip(distinct, row, strict=True)
            for _ in range(times)
        ]
        results.append(np.atleast_1d(score(np.concatenate(drawn))))
    return np.array(results)


def test_every_statistic_equals_its_plain_score():
    matrices, _ = some_images()
    assert set(PLAIN) == set(STATISTICS)
    for name, statistic in STATISTICS.items():
        np.testing.assert_allclose(statistic(matrices), PLAIN[name](matrices), err_msg=name)


@pytest.mark.parametrize("name", STATISTICS)
def test_intervals_equal_resampling_by_hand(name):
    matrices, groups = some_images()
    found = bootstrap_intervals(matrices, groups, {name: STATISTICS[name]}, resamples=60, seed=3)[name]
    for values, interval in zip(
        resampled_by_hand(matrices, groups, PLAIN[name], 60, 3).T, found, strict=True
    ):
        if interval.groups < 2:
            assert np.isnan([interval.low, interval.high]).all()
        else:
            assert (interval.low, interval.high) == pytest.approx(np.nanquantile(values, [0.025, 0.975]))


def test_an_interval_counts_the_groups_that_have_the_class():
    matrices, groups = some_images()
    present = [{groups[i] for i in np.flatnonzero(~np.isnan(iou(matrices)[:, k]))} for k in range(4)]
    for name in ("iou", "image_iou", "dice"):
        found = bootstrap_intervals(matrices, groups, resamples=10)[name]
        assert [each.groups for each in found] == [len(having) for having in present] == [7, 5, 1, 0]
        assert [each.reliable for each in found] == [True, False, False, False]


@pytest.mark.parametrize(("groups", "reliable"), [(5, False), (6, True)])
def test_fewer_than_six_groups_are_unreliable(groups, reliable):
    matrices = np.tile(np.array([[8, 2], [1, 9]]), (groups, 1, 1))
    (interval,) = bootstrap_intervals(matrices, [str(i) for i in range(groups)])["accuracy"]
    assert interval.reliable is reliable


def test_a_single_group_has_no_interval():
    (interval,) = bootstrap_intervals(some_images()[0], ["one"] * 24)["accuracy"]
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)
    assert not interval.reliable


def test_the_interval_of_a_constant_is_the_constant():
    matrices = np.tile(np.array([[8, 2], [1, 9]]), (12, 1, 1))
    found = bootstrap_intervals(matrices, [f"g{i % 6}" for i in range(12)])
    for name, statistic in STATISTICS.items():
        for value, interval in zip(np.atleast_1d(statistic(matrices)), found[name], strict=True):
            assert (interval.low, interval.high) == pytest.approx((value, value))


def test_copies_in_a_group_do_not_narrow_the_interval():
    matrices, _ = some_images(8)
    names = [str(i) for i in range(8)]
    copies, groups = np.repeat(matrices, 10, axis=0), np.repeat(names, 10).tolist()
    alone = bootstrap_intervals(matrices, names)["accuracy"][0]
    grouped = bootstrap_intervals(copies, groups)["accuracy"][0]
    ungrouped = bootstrap_intervals(copies, [str(i) for i in range(80)])["accuracy"][0]
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))
    assert ungrouped.high - ungrouped.low < 0.5 * (grouped.high - grouped.low)


def test_chunks_do_not_change_the_numbers(monkeypatch):
    matrices, groups = some_images()
    whole = bootstrap_intervals(matrices, groups, resamples=50)
    monkeypatch.setattr(intervals, "_CHUNK_CELLS", 7 * 16)
    chunked = bootstrap_intervals(matrices, groups, resamples=50)
    for name in whole:
        np.testing.assert_allclose(pairs(chunked)[name], pairs(whole)[name])


def test_the_seed_alone_decides():
    matrices, groups = some_images()
    assert repr(bootstrap_intervals(matrices, groups)) == repr(bootstrap_intervals(matrices, groups))
    assert repr(bootstrap_intervals(matrices, groups)) != repr(bootstrap_intervals(matrices, groups, seed=1))


def coverage(groups_known):
    """Share of 200 simulated evaluations whose interval contains the true accuracy, which is 0.8."""
    generator = np.random.default_rng(0)
    statistics = {"accuracy": STATISTICS["accuracy"]}
    groups = [str(i // 5 if groups_known else i) for i in range(200)]
    covered = 0
    for seed in range(200):
        right = np.repeat(
            generator.binomial(1000, generator.beta(8, 2, 40)), 5
        )  # images of a group are alike
        matrices = np.array([[[hits, 1000 - hits], [0, 0]] for hits in right])
        (interval,) = bootstrap_intervals(matrices, groups, statistics, resamples=200, seed=seed)["accuracy"]
        covered += interval.low <= 0.8 <= interval.high
    return covered / 200


def test_intervals_hold_the_truth_only_if_groups_are_known():
    assert 0.89 <= coverage(groups_known=True) <= 0.99
    assert coverage(groups_known=False) < 0.75


def test_weights_count_draws():
    weights = bootstrap_weights(9, 4000, np.random.default_rng(0))
    assert (weights.sum(axis=1) == 9).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(weights.var(axis=0), 1 - 1 / 9, atol=0.12)  # multinomial


def test_groups_must_fit_the_images():
    matrices, groups = some_images()
    with pytest.raises(ArgumentError, match="found 23 for 24 images"):
        bootstrap_intervals(matrices, groups[1:])
    with pytest.raises(ArgumentError, match="found 0 for 0 images"):
        bootstrap_intervals(matrices[:0], [])


def test_a_paired_difference_equals_resampling_by_hand():
    first, groups = some_images()
    second = same_masks_predicted_worse(first, np.random.default_rng(1).random(24))
    found = paired_differences(first, second, groups, resamples=80, seed=5)
    for name, plain in PLAIN.items():
        drawn = resampled_by_hand(first, groups, plain, 80, 5) - resampled_by_hand(
            second, groups, plain, 80, 5
        )
        values = np.atleast_1d(plain(first) - plain(second))
        for value, column, difference in zip(values, drawn.T, found[name], strict=True):
            assert difference.value == pytest.approx(value, nan_ok=True)
            if difference.interval.groups < 2:
                assert np.isnan(difference.p_value)
                continue
            ends = np.nanquantile(column, [0.025, 0.975])
            assert (difference.interval.low, difference.interval.high) == pytest.approx(ends)
            tail = min(np.sum(column <= 0), np.sum(column >= 0))
            expected = min(1, 2 * (1 + tail) / (1 + np.sum(~np.isnan(column))))
            assert difference.p_value == pytest.approx(expected)


def test_a_paired_difference_is_symmetrical():
    first, groups = some_images()
    second = same_masks_predicted_worse(first, np.random.default_rng(1).random(24) * 0.1)
    there, back = paired_differences(first, second, groups), paired_differences(second, first, groups)
    for name in STATISTICS:
        for one, other in zip(there[name], back[name], strict=True):
            assert one.value == pytest.approx(-other.value, nan_ok=True)
            assert one.interval.low == pytest.approx(-other.interval.high, nan_ok=True)
            assert one.p_value == pytest.approx(other.p_value, nan_ok=True)


def test_equal_runs_do_not_differ():
    matrices, groups = some_images()
    (difference,) = paired_differences(matrices, matrices, groups)["mean_iou"]
    assert difference.value == 0
    assert difference.interval == Interval(0, 0, 7)
    assert difference.p_value == 1


def test_pairing_finds_a_small_steady_difference():
    first, groups = some_images()
    second = same_masks_predicted_worse(first, 0.05)
    (difference,) = paired_differences(first, second, groups)["accuracy"]
    (alone,) = bootstrap_intervals(first, groups)["accuracy"]
    assert difference.interval.low > 0
    assert difference.p_value == pytest.approx(2 / 2001)
    assert difference.interval.high - difference.interval.low < alone.high - alone.low


def test_runs_on_other_images_are_refused():
    matrices, groups = some_images()
    with pytest.raises(ArgumentError, match="shape"):
        paired_differences(matrices, matrices[1:], groups)
    with pytest.raises(ArgumentError, match="mask of image 0 has other pixels"):
        paired_differences(matrices, matrices[::-1], groups)
