"""A training must not be scored on copies of what it was trained on."""

import json
import logging
import re
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_runs import TINY, quiet

from solarseg import compare, evaluate, train
from solarseg.cli import main
from solarseg.curation.split_dataset import split_dataset
from solarseg.datasets.splits import read_split
from solarseg.datasets.tables import read_table
from solarseg.duplicates.leakage import Leak, read_leaks
from solarseg.errors import ArgumentError, DatasetError

SHORT = {**TINY, "epochs": 1}
pytestmark = pytest.mark.usefixtures(
    "shared_weights"
)  # of the reports, only what they say of images is looked at


def turn(file, turns, into):
    Image.fromarray(np.rot90(np.array(Image.open(file)), turns)).save(into)


def turn_sample(dataset, name, turns, into):
    for kind in ("images", "masks"):
        turn(dataset / kind / f"{name}.png", turns, dataset / kind / f"{into}.png")


@pytest.fixture
def leaking(squares):
    """im04, in test, is im00 turned, which is in train; im05, in val, is im01 again."""
    images = squares / "images"
    turn_sample(squares, "im00", 1, "im04")
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
    assert f"`solarseg data check {leaking}` lists them" in message
    assert (
        f"`solarseg data split {leaking} --overwrite` keeps copies together, `allow_leak=True` trains"
        in message
    )
    assert not (tmp_path / "run").exists()


def test_the_commands_that_a_refusal_gives_work(leaking, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (leaking / "split.csv").rename("mine.csv")
    options = {**SHORT, "split": "mine.csv", "group_regex": "im(..)"}
    with pytest.raises(DatasetError, match=r"^mine\.csv: 2 image\(s\)") as refused:
        train(leaking.name, "run", machine=quiet(), **options)
    listing, fix = re.findall("`(solarseg .*?)`", str(refused.value))
    assert listing == "solarseg data check squares --group-regex 'im(..)' --split mine.csv"
    assert main(shlex.split(listing)[1:]) == 1
    assert "copy in another split (2)" in capsys.readouterr().out
    assert main(shlex.split(fix)[1:]) == 0
    split = read_split(leaking / "split.csv")
    assert split["im00"] == split["im04"]


@pytest.mark.parametrize("given", ["split.csv", "mine.csv"])
def test_shares_that_a_split_makes_useless_are_refused(squares, tmp_path, monkeypatch, given):
    monkeypatch.delattr("solarseg.training.fit.survey_dataset")  # no image is read before
    monkeypatch.chdir(squares)
    (squares / given).write_text("\n".join(["name,split", *(f"im{i:02},train" for i in range(12))]))
    split = {} if given == "split.csv" else {"split": given}
    with pytest.raises(
        ArgumentError, match=rf"^`test=0\.3`: has no effect, because {given} says which image"
    ):
        train(".", tmp_path / "run", machine=quiet(), test=0.3, **split, **SHORT)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_leak_that_is_allowed_is_reported_ever_after(leaking, tmp_path, monkeypatch):
    run = train(leaking, tmp_path / "run", machine=quiet(), **SHORT, allow_leak=True)
    assert read_leaks(run.path / "leaks.csv") == [
        Leak("im04", "test", "im00", "train"),
        Leak("im05", "val", "im01", "train"),
    ]
    assert run.report.related == ("im04",)
    assert (
        "WARNING: the model was trained on copies or near-duplicates of 1 of the 2 images"
        in run.report.summary_text()
    )
    stored = json.loads((run.path / "evaluation" / "report.json").read_text())
    assert stored["related"] == {"count": 1, "names": ["im04"]}
    seen = evaluate(run.path, leaking, split="val")
    assert len(seen.trained_on) == 2
    assert "None of these images" not in seen.summary_text()
    everything = evaluate(run.path, leaking, split="all")
    assert (everything.related, len(everything.trained_on)) == (("im04",), 10)
    # A resumed run does not search for copies again.
    monkeypatch.delattr("solarseg.curation.survey.find_copies_in_dataset")
    again = train(leaking, tmp_path / "run", resume=True, machine=quiet())
    assert again.report.related == ("im04",)


def test_a_split_of_its_own_keeps_copies_together(squares, tmp_path, caplog):
    for group in (1, 2, 3):
        turn_sample(squares, "im00", group, f"im{group:02}")
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
    assert "None of these images has a copy or near-duplicate" in run.report.summary_text()
    assert "Only exact copies" not in compare([run.path, run.path]).markdown()


@pytest.mark.slow
def test_images_that_came_later_were_not_searched(squares, tmp_path):
    run = train(squares, tmp_path / "run", machine=quiet(), **SHORT)
    turn_sample(squares, "im00", 1, "new")
    (squares / "groups.csv").unlink()
    assert evaluate(run.path, squares, split="all").related is None


def test_a_test_image_that_was_replaced_was_not_searched(trained, tmp_path):
    run, dataset = trained
    assert evaluate(run.path, dataset, out=tmp_path / "own").related == ()
    later = shutil.copytree(dataset, tmp_path / "later")
    split = read_split(run.path / "split.csv")
    tested, learnt = (next(name for name in split if split[name] == part) for part in ("test", "train"))
    turn(later / "images" / f"{learnt}.png", 1, later / "images" / f"{tested}.png")
    report = evaluate(run.path, later, out=tmp_path / "e")
    assert (report.split, report.related) == ("test", None)
    assert "None of these images" not in report.summary_text()


def test_copies_in_another_dataset_were_not_searched_for(trained, make_squares):
    run, _ = trained
    report = evaluate(run.path, make_squares(seed=5))
    assert report.related is None
    assert json.loads(json.dumps(report.to_dict()))["related"] is None
    assert json.loads(json.dumps(report.to_dict()))["looked_for"] == "exact copies"
    assert "Only exact copies of training images were searched for" in report.summary_text()


def test_what_was_not_searched_for_is_not_reported_as_absent(leaking, tmp_path):
    run = train(leaking, tmp_path / "run", machine=quiet(), **SHORT, search=False)
    assert not (run.path / "leaks.csv").exists()
    assert run.report.related is None
    assert "Only exact copies of training images were searched for" in run.report.summary_text()
    assert "Only exact copies" in compare([run.path, run.path]).markdown()


def test_groups_of_a_split_travel_with_it(squares, tmp_path, caplog):
    """What `data split` wrote is used as it is, its groups too."""
    (squares / "groups.csv").unlink()
    split_dataset(squares, group_regex=r"\d$", val=0.2, test=0.3)
    run = train(squares, tmp_path / "run", machine=quiet(), **SHORT)
    groups = read_table(run.path / "split.csv", "name", "group")
    assert groups == {name: name[-1] for name in groups}
    assert run.report.groups == tuple(name[-1] for name in run.report.names)
    assert "nothing says which images" not in caplog.text


def test_a_split_by_images_is_trained_on_and_said_to_divide_groups(squares, tmp_path, caplog):
    split_dataset(squares, by="images", val=0.25, test=0.25)
    run = train(squares, tmp_path / "run", machine=quiet(), **SHORT)
    assert "group(s) of the dataset, such as g" in caplog.text
    assert run.report.n_groups == run.report.n_images
