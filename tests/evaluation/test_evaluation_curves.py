import numpy as np
import pytest

from solarseg import files
from solarseg.errors import OutputError
from solarseg.evaluation import curves
from solarseg.evaluation.curves import draw_curves


def rows(count, *, val=True, first=1):
    made = []
    for i in range(count):
        row = {
            "epoch": first + i,
            "learning_rate": 1e-3,
            "loss": 1 / (1 + i),
            "accuracy": 0.9,
            "iou": 0.5 + i / 99,
        }
        if val:
            row |= {"val_loss": 2 / (1 + i), "val_accuracy": 0.8, "val_iou": 0.7 - 0.01 * abs(i - 3)}
        made.append(row | {"seconds": 1.5})
    return made


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draw and return the three axes."""

    def drawn(data, *watched):
        made = []
        real = curves.Figure

        def recorded(*args, **options):
            made.append(real(*args, **options))
            return made[-1]

        monkeypatch.setattr(curves, "Figure", recorded)
        draw_curves(data, tmp_path / "curves.png", *watched)
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
        return made[0].axes

    return drawn


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_three_panels_show_the_numbers(draw):
    data = rows(20)
    panels = draw(data)
    assert [axes.get_title(loc="left") for axes in panels] == ["loss", "accuracy", "IoU"]
    for axes, name in zip(panels, ("loss", "accuracy", "iou"), strict=True):
        found = lines(axes)
        assert found["training"].get_ydata().tolist() == [row[name] for row in data]
        assert found["validation"].get_ydata().tolist() == [row[f"val_{name}"] for row in data]
        assert found["training"].get_xdata().tolist() == list(range(1, 21))
        assert found["training"].get_color() != found["validation"].get_color()
        assert found["training"].get_linestyle() != found["validation"].get_linestyle()


def test_best_epoch_is_marked_with_its_value(draw):
    panels = draw(rows(20))
    assert panels[2].get_title(loc="right") == "best validation 0.700 at epoch 4"
    ring = panels[2].lines[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (4, 0.7)


def test_the_first_of_equal_epochs_is_best(draw):
    data = [row | {"val_iou": 0.5} for row in rows(3, first=6)]
    assert draw(data)[2].get_title(loc="right") == "best validation 0.500 at epoch 6"


@pytest.mark.parametrize("count", [1, 2, 5, 60, 500])
def test_epoch_ticks_are_a_few_integers(draw, count):
    for axes in draw(rows(count)):
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert 1 <= len(ticks) <= 9
        assert all(tick == round(tick) >= 1 for tick in ticks)


def test_one_epoch_shows_as_points(draw):
    assert all(line.get_marker() == "o" for axes in draw(rows(1)) for line in lines(axes).values())


def test_without_validation_there_is_one_line_and_no_best(draw):
    panels = draw(rows(9, val=False))
    assert all(list(lines(axes)) == ["training"] for axes in panels)
    assert panels[2].get_title(loc="right") == ""


def test_numbers_that_are_not_finite_are_left_out(draw):
    data = rows(6)
    data[0]["loss"] = float("inf")
    data[3]["val_iou"] = float("nan")
    panels = draw(data)
    assert np.isnan(lines(panels[0])["training"].get_ydata()[0])
    assert panels[2].get_title(loc="right") == "best validation 0.690 at epoch 3"


def test_the_epoch_of_the_lowest_loss_is_marked_if_loss_is_watched(draw):
    data = rows(4)
    data[1]["val_loss"] = 0.1
    panels = draw(data, ("val_loss", "min"))
    assert panels[0].get_title(loc="right") == "best validation 0.100 at epoch 2"
    assert panels[2].get_title(loc="right") == ""


def test_no_epochs_at_all(draw):
    assert len(draw([])) == 3


def test_a_failed_write_keeps_the_old_figure(tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files, "_flush", fail)
    with pytest.raises(OutputError, match="disk full"):
        draw_curves(rows(2), path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]
