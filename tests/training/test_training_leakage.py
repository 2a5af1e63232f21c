"""A training must not be scored on copies of what it was trained on."""

import json
import logging
import shutil

import numpy as np
import pytest
from conftest import TINY, quiet
from PIL import Image

from solarseg import evaluate, train
from solarseg.curation.leakage import Leak, read_leaks
from solarseg.curation.split_dataset import split_dataset
from solarseg.curation.splits import read_split
from solarseg.datasets.folder import read_table
from solarseg.errors import DatasetError

SHORT = {**TINY, "epochs": 1}


def turn(file, turns, into):
    Image.fromarray(np.rot90(np.array(Image.open(file)), turns)).save(into)


@pytest.fixture
def leaking(squares):
    """im04, in test, is im00 turned, which is in train; im05, in val, is im01 again."""
    images = squares / "images"
    turn(images / "im00.png", 1, images / "im04.png")
    shutil.copy(images / "im01.png", images / "im05.png")
    parts = {"4": "test", "5": "val"}
    lines = [f"im{i:02},{parts.get(str(i % 6), 'train')}" for i in range(12)]
    (squares / "split.csv").write_text("\n".join(["name,split", *lines]))
    return squares


def test_a_split_that_leaks_is_refused(leaking, tmp_path):
    with pytest.raises(DatasetError) as refused:
        train(leaking, tmp_path / "run", machine=quiet(), **SHORT)
    message = str(refused.value)
    assert message.startswith(f"{leaking / 'split.csv'}: 2 image(s) have a copy or near copy")
    assert "such as im04 (test) and im00 (train)" in message
    assert "--allow-leak" in message
    assert not (tmp_path / "run").exists()


def test_a_leak_that_is_allowed_is_reported_ever_after(leaking, tmp_path):
    run = train(leaking, tmp_path / "run", machine=quiet(), **SHORT, allow_leak=True)
    assert read_leaks(run.path / "leaks.csv") == [
        Leak("im04", "test", "im00", "train"),
        Leak("im05", "val", "im01", "train"),
    ]
    assert run.report.related == ("im04",)
    assert "WARNING: the model saw copies or near copies of 1 of the 2 images" in run.report.summary_text()
    stored = json.loads((run.path / "evaluation" / "report.json").read_text())
    assert stored["related"] == {"count": 1, "names": ["im04"]}
    seen = evaluate(run.path, leaking, split="val")
    assert len(seen.trained_on) == 2
    assert "None of these images" not in seen.summary_text()
    everything = evaluate(run.path, leaking, split="all")
    assert (everything.related, len(everything.trained_on)) == (("im04",), 10)
    # It is asked once: a resumed run goes on as it was begun.
    again = train(leaking, tmp_path / "run", resume=True, machine=quiet())
    assert again.report.related == ("im04",)


def test_a_split_of_its_own_keeps_copies_together(squares, tmp_path, caplog):
    images = squares / "images"
    for group in (1, 2, 3):
        turn(images / "im00.png", group, images / f"im{group:02}.png")
    with caplog.at_level(logging.INFO):
        run = train(squares, tmp_path / "run", machine=quiet(), **SHORT)
    assert "3 group(s) joined to others" in caplog.text
    split = read_split(run.path / "split.csv")
    joined = {f"im{number:02}" for group in range(4) for number in (group, group + 6)}
    assert len({split[name] for name in joined}) == 1
    groups = read_table(run.path / "split.csv", "name", "group")
    assert {name for name in groups if groups[name] == groups["im00"]} == joined
    assert read_leaks(run.path / "leaks.csv") == []
    assert run.report.related == ()
    assert "None of these images has a copy or near copy" in run.report.summary_text()


def test_nobody_looked_at_images_that_came_later(squares, tmp_path):
    run = train(squares, tmp_path / "run", machine=quiet(), **SHORT)
    for kind in ("images", "masks"):
        turn(squares / kind / "im00.png", 1, squares / kind / "new.png")
    (squares / "groups.csv").unlink()
    assert evaluate(run.path, squares, split="all").related is None


def test_nobody_looked_for_copies_in_another_dataset(trained, make_squares):
    run, _ = trained
    report = evaluate(run.path, make_squares(seed=5))
    assert report.related is None
    assert json.loads(json.dumps(report.to_dict()))["related"] is None
    assert "near copy" not in report.summary_text()


def test_what_nobody_looked_for_is_not_said_to_be_absent(leaking, tmp_path):
    run = train(leaking, tmp_path / "run", machine=quiet(), **SHORT, search=False)
    assert not (run.path / "leaks.csv").exists()
    assert run.report.related is None


def test_groups_of_a_split_travel_with_it(squares, tmp_path, caplog):
    """What `data split` wrote is used as it is, its groups too."""
    (squares / "groups.csv").unlink()
    split_dataset(squares, group_regex=r"\d$", val=0.2, test=0.3)
    run = train(squares, tmp_path / "run", machine=quiet(), **SHORT)
    groups = read_table(run.path / "split.csv", "name", "group")
    assert groups == {name: name[-1] for name in groups}
    assert run.report.groups == tuple(name[-1] for name in run.report.names)
    assert "no groups.csv" not in caplog.text


def test_a_split_by_images_is_trained_on_and_said_to_cut_groups(squares, tmp_path, caplog):
    split_dataset(squares, by="images", val=0.25, test=0.25)
    run = train(squares, tmp_path / "run", machine=quiet(), **SHORT)
    assert "group(s) of the dataset, such as g" in caplog.text
    assert run.report.n_groups == run.report.n_images
