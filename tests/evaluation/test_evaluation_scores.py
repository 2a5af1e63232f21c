import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from solarseg.errors import ArgumentError, DatasetError
from solarseg.evaluation import scores
from solarseg.evaluation.scores import confusion_matrix

IGNORE = 255


@st.composite
def masks(draw):
    """Truth (with ignored pixels) and prediction of a few of K classes, and K."""
    num_classes = draw(st.integers(2, 5))
    size = draw(st.integers(1, 60))
    used = draw(st.lists(st.integers(0, num_classes - 1), min_size=1, unique=True))
    truth = draw(st.lists(st.sampled_from([*used, IGNORE]), min_size=size, max_size=size))
    prediction = draw(st.lists(st.integers(0, num_classes - 1), min_size=size, max_size=size))
    return np.array(truth, np.uint8), np.array(prediction, np.uint8), num_classes


def of_classes(scorer, truth, prediction, num_classes, **options):
    """What scikit-learn scores, NaN for the classes that are in neither."""
    values = np.full(num_classes, np.nan)
    if present := sorted({*truth.tolist(), *prediction.tolist()}):
        values[present] = scorer(truth, prediction, labels=present, average=None, **options)
    return values


@settings(max_examples=60, deadline=None)
@given(masks())
def test_equals_scikit_learn(drawn):
    truth, prediction, num_classes = drawn
    matrix = confusion_matrix(truth, prediction, num_classes, ignore_index=IGNORE)
    truth, prediction = truth[truth != IGNORE], prediction[truth != IGNORE]
    pixels = truth, prediction, num_classes

    if truth.size:
        expected = metrics.confusion_matrix(truth, prediction, labels=range(num_classes))
        np.testing.assert_array_equal(matrix, expected)
        assert scores.pixel_accuracy(matrix) == pytest.approx(metrics.accuracy_score(truth, prediction))
        macro = metrics.jaccard_score(truth, prediction, average="macro")
        assert scores.mean_iou(matrix) == pytest.approx(macro)
    np.testing.assert_allclose(scores.iou(matrix), of_classes(metrics.jaccard_score, *pixels))
    np.testing.assert_allclose(scores.dice(matrix), of_classes(metrics.f1_score, *pixels))
    for ours, theirs in ((scores.precision, metrics.precision_score), (scores.recall, metrics.recall_score)):
        np.testing.assert_allclose(ours(matrix), of_classes(theirs, *pixels, zero_division=0))
    np.testing.assert_array_equal(scores.support(matrix), np.bincount(truth, minlength=num_classes))


def test_matrix_has_truth_in_rows():
    truth, prediction = np.array([[0, 0], [0, 1]]), np.array([[1, 1], [0, 1]])
    assert confusion_matrix(truth, prediction, 2).tolist() == [[1, 2], [0, 1]]
    assert confusion_matrix(truth, prediction, 2).dtype == np.int64


def test_prediction_does_not_matter_where_truth_is_ignored():
    truth, prediction = np.array([0, IGNORE], np.uint8), np.array([0, 77], np.uint8)
    assert confusion_matrix(truth, prediction, 2, ignore_index=IGNORE).tolist() == [[1, 0], [0, 0]]


def test_ids_of_small_dtypes_do_not_overflow():
    ids = np.full(3, 200, np.uint8)
    assert confusion_matrix(ids, ids, 201)[200, 200] == 3


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), r"\(2, 3\).*\(2, 2\)"),
        (np.array([0, 255]), np.array([0, 0]), "truth: class id 255.*0 to 1"),
        (np.array([0, 0]), np.array([0, 2]), "prediction: class id 2"),
        (np.array([0, 0]), np.array([0, -1]), "prediction: class id -1"),
        (np.array([0.0]), np.array([0]), "truth: dtype float64"),
    ],
)
def test_unusable_masks_are_refused(truth, prediction, message):
    with pytest.raises(ArgumentError, match=message):
        confusion_matrix(truth, prediction, 2)


# Classes: right, missed altogether, false alarm only, in neither.
EMPTIES = np.array([[6, 0, 2, 0], [2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_empty_classes_follow_the_convention():
    np.testing.assert_allclose(scores.iou(EMPTIES), [0.6, 0, 0, np.nan])
    np.testing.assert_allclose(scores.dice(EMPTIES), [0.75, 0, 0, np.nan])
    np.testing.assert_allclose(scores.precision(EMPTIES), [0.75, 0, 0, np.nan])
    np.testing.assert_allclose(scores.recall(EMPTIES), [0.75, 0, 0, np.nan])
    assert scores.mean_iou(EMPTIES) == pytest.approx(0.2)


def test_pooled_and_per_image_mean_iou_differ():
    images = np.array(
        [
            [[90, 0], [0, 10]],  # perfect: 1, 1
            [[10, 0], [10, 0]],  # class 1 missed: 1/2, 0
            [[30, 0], [0, 0]],  # class 1 in neither: 1, -
            [[30, 10], [0, 0]],  # false alarms only: 3/4, 0
            [[0, 0], [0, 0]],  # nothing but ignored pixels: left out
        ]
    )
    assert scores.mean_image_iou(images) == pytest.approx((1 + 1 / 4 + 1 + 3 / 8) / 4)
    np.testing.assert_allclose(
        scores.image_iou_per_class(images), [(1 + 1 / 2 + 1 + 3 / 4) / 4, (1 + 0 + 0) / 3]
    )
    assert scores.mean_iou(images.sum(axis=0)) == pytest.approx((160 / 180 + 10 / 30) / 2)


def test_no_pixels_score_nan_without_a_warning(recwarn):
    nothing = np.zeros((2, 3, 3), np.int64)
    assert np.isnan(scores.pixel_accuracy(nothing)).all()
    assert np.isnan(scores.mean_iou(nothing)).all()
    assert np.isnan(scores.mean_image_iou(nothing))
    assert not recwarn


@pytest.mark.parametrize(
    "score",
    [scores.iou, scores.dice, scores.precision, scores.recall, scores.pixel_accuracy, scores.mean_iou],
)
def test_leading_axes_are_scored_one_by_one(score):
    matrices = np.random.default_rng(0).integers(0, 3, (2, 5, 3, 3))
    expected = [[score(matrix) for matrix in row] for row in matrices]
    np.testing.assert_array_equal(score(matrices), expected)
    np.testing.assert_array_equal(score(matrices.astype(np.float64)), expected)


def permuted(matrix, order):
    return matrix[np.ix_(order, order)]


@settings(max_examples=40)
@given(masks(), st.randoms(use_true_random=False))
def test_other_class_numbers_permute_the_scores(drawn, random):
    truth, prediction, num_classes = drawn
    order = random.sample(range(num_classes), num_classes)  # order[new] = old
    new = np.full(256, IGNORE, np.uint8)
    new[order] = np.arange(num_classes)
    matrix = confusion_matrix(truth, prediction, num_classes, IGNORE)
    renumbered = confusion_matrix(new[truth], new[prediction], num_classes, IGNORE)
    np.testing.assert_array_equal(renumbered, permuted(matrix, order))
    for score in (scores.iou, scores.dice, scores.precision, scores.recall, scores.support):
        np.testing.assert_array_equal(score(renumbered), score(matrix)[order])
    np.testing.assert_allclose(scores.mean_iou(renumbered), scores.mean_iou(matrix), rtol=1e-12)
    np.testing.assert_array_equal(scores.pixel_accuracy(renumbered), scores.pixel_accuracy(matrix))


@settings(max_examples=40)
@given(masks())
def test_scores_satisfy_their_identities(drawn):
    truth, prediction, num_classes = drawn
    matrix = confusion_matrix(truth, prediction, num_classes, IGNORE)
    iou, dice, precision, recall = (
        score(matrix) for score in (scores.iou, scores.dice, scores.precision, scores.recall)
    )
    np.testing.assert_allclose(dice, 2 * iou / (1 + iou))
    both = np.nan_to_num(precision) + np.nan_to_num(recall) > 0
    # Harmonic mean, and 1 / iou = 1 / precision + 1 / recall - 1.
    np.testing.assert_allclose(dice[both], 2 / (1 / precision[both] + 1 / recall[both]))
    np.testing.assert_allclose(iou[both], 1 / (1 / precision[both] + 1 / recall[both] - 1))
    if truth.size > (truth == IGNORE).sum():
        there = scores.support(matrix) > 0
        weighted = np.average(recall[there], weights=scores.support(matrix)[there])
        assert scores.pixel_accuracy(matrix) == pytest.approx(weighted)


@settings(max_examples=40)
@given(masks(), masks())
def test_matrices_of_parts_add_up_and_turn_with_truth_and_prediction(one, other):
    num_classes = max(one[2], other[2])
    truth, prediction = (np.concatenate([one[i], other[i]]) for i in (0, 1))
    parts = [confusion_matrix(part[0], part[1], num_classes, IGNORE) for part in (one, other)]
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, num_classes, IGNORE), sum(parts))
    counted = truth != IGNORE
    exchanged = confusion_matrix(prediction[counted], truth[counted], num_classes)
    np.testing.assert_array_equal(exchanged, sum(parts).T)
    np.testing.assert_array_equal(scores.recall(exchanged), scores.precision(sum(parts)))


@settings(max_examples=40)
@given(masks(), st.integers(0, 59))
def test_a_corrected_pixel_lowers_no_score(drawn, which):
    truth, prediction, num_classes = drawn
    which %= truth.size
    before = confusion_matrix(truth, prediction, num_classes, IGNORE)
    if truth[which] != IGNORE and truth[which] != prediction[which]:
        right, wrong = truth[which], prediction[which]
        prediction = prediction.copy()
        prediction[which] = right
        after = confusion_matrix(truth, prediction, num_classes, IGNORE)
        assert scores.iou(after)[right] > scores.iou(before)[right]
        assert not scores.iou(after)[wrong] < scores.iou(before)[wrong]  # NaN: no longer anywhere
        assert scores.pixel_accuracy(after) > scores.pixel_accuracy(before)
    else:
        same = scores.iou(before)
        assert ((same >= 0) & (same <= 1) | np.isnan(same)).all()


def test_more_counts_than_memory_are_refused_by_their_number():
    scores.check_matrices(516, 255)
    with pytest.raises(
        DatasetError, match=r"517 images of 255 classes have confusion matrices of 33,617,925 counts"
    ):
        scores.check_matrices(517, 255)
