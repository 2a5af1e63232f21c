import csv
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from PIL import Image
from rich.console import Console
from tiny_runs import TINY, quiet

from solarseg.datasets.splits import read_split
from solarseg.errors import ArgumentError, ExistsError, OutputError, RunError, SolarsegError
from solarseg.evaluation.evaluate import evaluate
from solarseg.inference.model import load_model
from solarseg.networks.encoders import build_encoder
from solarseg.training import fit, run_folder
from solarseg.training.callbacks import AtomicCheckpointIO, TimeLeft
from solarseg.training.config import Machine
from solarseg.training.fit import train


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def losses(run: Path) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in ("epoch", "loss", "val_loss", "val_iou")) for row in rows(run)]


def test_a_run_learns_and_leaves_what_the_design_says(trained):
    run, _ = trained
    expected = ("config.yaml", "split.csv", "metrics.csv", "curves.png", "model.onnx", "checkpoints/best.ckpt",
                "checkpoints/last.ckpt", "evaluation/report.json", "evaluation/examples.png")  # fmt: skip
    assert [name for name in expected if not (run.path / name).exists()] == []
    assert list((run.path / "tensorboard").glob("events*"))
    assert float(rows(run.path)[-1]["loss"]) < float(rows(run.path)[0]["loss"])
    assert run.report.iou["foreground"] > 0.6  # bright squares on dark noise are easy
    facts = yaml.safe_load((run.path / "config.yaml").read_text())
    assert facts["versions"]["torch"] == torch.__version__
    assert len(facts["dataset_fingerprint"]) == 16


def test_the_model_file_knows_its_scores(trained):
    run, _ = trained
    info = load_model(run.path).info
    assert info.scores["iou"]["foreground"] == pytest.approx(run.report.iou["foreground"])
    assert info.scores["intervals"]["groups"] == run.report.n_groups
    assert info.parameters > 10_000_000
    assert 0.3 < info.gmacs < 0.4  # ResNet18 at 64 pixels


def test_no_group_is_divided(trained):
    run, dataset = trained
    split = read_split(run.path / "split.csv")
    groups = dict(line.split(",") for line in (dataset / "groups.csv").read_text().split()[1:])
    assert all(split[a] == split[b] for a in groups for b in groups if groups[a] == groups[b])


@pytest.mark.slow
def test_resuming_after_a_kill_goes_on_exactly(squares, tmp_path):
    options = {**TINY, "epochs": 4, "patience": 0}
    train(squares, tmp_path / "whole", machine=quiet(checkpoint_seconds=0), **options)
    command = [sys.executable, "-m", "solarseg", "train", str(squares), "--out", str(tmp_path / "interrupted"),
               "--quiet", "--accelerator", "cpu", "--checkpoint-seconds", "0"]  # fmt: skip
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    process = subprocess.Popen(command)
    last = tmp_path / "interrupted" / "checkpoints" / "last.ckpt"
    while not last.exists():
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert len(rows(tmp_path / "interrupted")) < 4
    train(squares, tmp_path / "interrupted", resume=True, machine=quiet())
    assert losses(tmp_path / "interrupted") == losses(tmp_path / "whole")
    inputs = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    whole, resumed = (load_model(tmp_path / name).probabilities(inputs) for name in ("whole", "interrupted"))
    assert np.array_equal(whole, resumed)


def test_resuming_refuses_other_settings(trained, tmp_path):
    run, dataset = trained
    with pytest.raises(ArgumentError, match="`encoder='vgg16'`: the run to resume has 'resnet18'"):
        train(dataset, run.path, resume=True, encoder="vgg16", machine=quiet())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(RunError, match="has files, but no run"):
        train(dataset, tmp_path / "other", resume=True, machine=quiet())
    with pytest.raises(RunError, match="has files, but no run"):
        train(dataset, tmp_path / "other", machine=quiet())
    with pytest.raises(RunError, match="began with processes 1, now found 2"):
        train(dataset, run.path, resume=True, machine=quiet(devices=2))


class StopIn(Callback):
    """Break off a training in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            raise RuntimeError("power failure")


def end_after_the_last_epoch(patch):
    """Leave out the export, which takes several times as long as the training."""
    patch.setattr(fit, "finish_run", lambda run, *_: fit.Run(run.path, run.model, None))


@pytest.fixture
def only_fitted(monkeypatch):
    end_after_the_last_epoch(monkeypatch)


def checkpoint(run, name):
    return torch.load(run / "checkpoints" / name, weights_only=True)["state_dict"]


@pytest.mark.slow
@pytest.mark.usefixtures("only_fitted")
def test_resuming_is_exact_for_encoders_that_draw_and_from_any_epoch(squares, tmp_path):
    """EfficientNet leaves out blocks at random; the run folder is moved between the two parts."""
    options = {**TINY, "encoder": "efficientnet-b0", "epochs": 4, "patience": 0}
    machine = quiet(checkpoint_seconds=0)
    train(squares, tmp_path / "whole", machine=machine, **options)
    for folder, epoch in (("early", 0), ("late", 2)):
        with pytest.raises(RuntimeError, match="power failure"):
            train(squares, tmp_path / folder, machine=machine, callbacks=[StopIn(epoch)], **options)
        moved = (tmp_path / folder).rename(tmp_path / f"moved-{folder}")
        train(squares, moved, resume=True, machine=machine)
        assert losses(moved) == losses(tmp_path / "whole")
        for name in ("last.ckpt", "best.ckpt"):
            whole, resumed = (checkpoint(path, name) for path in (tmp_path / "whole", moved))
            assert whole.keys() == resumed.keys()
            assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.usefixtures("shared_weights")
def test_resume_begins_where_nothing_has_begun(squares, tmp_path):
    run = train(squares, tmp_path / "run", resume=True, machine=quiet(), **{**TINY, "epochs": 1})
    assert run.model.exists()


@pytest.mark.usefixtures("shared_weights")
def test_a_run_interrupted_at_its_start_starts_again(squares, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("power failure")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power failure"):
        patch.setattr(run_folder, "write_table", fail)
        train(squares, tmp_path / "run", machine=quiet(), **{**TINY, "epochs": 1})
    run = train(squares, tmp_path / "run", resume=True, machine=quiet())
    assert run.report is not None
    assert run.report.related == ()


def test_ctrl_c_is_no_error_of_the_training(squares, tmp_path):
    class Pressed(Callback):
        def on_train_start(self, trainer, pl_module):
            raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(squares, tmp_path / "run", machine=quiet(), callbacks=[Pressed()], **TINY)
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores what comes after


def test_memory_that_does_not_suffice_is_said(squares, tmp_path):
    class Full(Callback):
        def on_train_start(self, trainer, pl_module):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ArgumentError, match="`batch_size=4`: does not fit into the GPU's memory; halve it"):
        train(squares, tmp_path / "run", machine=quiet(), callbacks=[Full()], **TINY)


def test_a_launcher_that_starts_another_number_of_processes_is_refused(squares, tmp_path, monkeypatch):
    """torchrun --nproc-per-node 4 without --devices 4: four trainings into one folder."""
    for name, value in (("TORCHELASTIC_RUN_ID", "x"), ("WORLD_SIZE", "4"), ("RANK", "0"), ("LOCAL_RANK", "0"),
                        ("GROUP_RANK", "0"), ("LOCAL_WORLD_SIZE", "4"), ("MASTER_ADDR", "localhost"),
                        ("MASTER_PORT", "1")):  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(ArgumentError, match=r"the launcher started 4 process\(es\), not 1"):
        train(squares, tmp_path / "run", machine=quiet(), **TINY)
    assert not (tmp_path / "run").exists()


def test_an_encoder_that_cannot_take_the_size_leaves_nothing(squares, tmp_path):
    with pytest.raises(SolarsegError, match="image size"):
        train(squares, tmp_path / "run", machine=quiet(), **{**TINY, "encoder": "tu-coatnet_pico_rw_224"})
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_file_of_weights_may_be_gone_when_a_run_is_resumed(squares, tmp_path):
    weights = tmp_path / "w.pt"
    torch.save(build_encoder("resnet18", 3, None).state_dict(), weights)
    machine = quiet(checkpoint_seconds=0)
    options = {**TINY, "encoder_weights": weights, "epochs": 2}
    with pytest.raises(RuntimeError, match="power failure"):
        train(squares, tmp_path / "run", machine=machine, callbacks=[StopIn(1)], **options)
    weights.unlink()
    assert train(squares, tmp_path / "run", resume=True, machine=machine).model.exists()


def copy_of(run: Path, to: Path) -> Path:
    return shutil.copytree(run, to)


def test_resuming_refuses_other_data(trained, make_squares, tmp_path):
    run, _ = trained
    with pytest.raises(RunError, match=r"its dataset .* is not the one given, or has changed"):
        train(make_squares(seed=9), copy_of(run.path, tmp_path / "run"), resume=True, machine=quiet())


def test_resuming_refuses_other_classes(trained, tmp_path):
    run, dataset = trained
    renamed = copy_of(dataset, tmp_path / "squares")
    (renamed / "dataset.yaml").write_text("classes: {0: background, 255: hole}\n")
    with pytest.raises(RunError, match=r"began with the classes .*foreground.*, .* has .*hole"):
        train(renamed, copy_of(run.path, tmp_path / "run"), resume=True, machine=quiet())


def test_a_training_that_diverges_is_stopped_and_says_so(squares, tmp_path):
    with pytest.raises(RunError, match=r"`learning_rate=1e\+30`.*diverged in epoch 1"):
        train(squares, tmp_path / "run", machine=quiet(), **TINY, learning_rate=1e30)
    assert not list((tmp_path / "run").rglob("*.onnx"))
    assert not list((tmp_path / "run").rglob("*.ckpt"))


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_resuming_refuses_checkpoints_of_other_networks_and_damaged_ones(trained, tmp_path, name):
    run, dataset = trained
    copy = copy_of(run.path, tmp_path / "run")
    file, weight = copy / "checkpoints" / name, "network.unet.segmentation_head.0.weight"
    whole = torch.load(file, weights_only=True)["state_dict"]
    others = {
        r".*weight is \(1, 3, 3, 3\), expected \(1, 16, 3, 3\)": whole | {weight: whole[weight][:, :3]},
        r".*weight is missing, expected \(1, 16, 3, 3\)": {key: whole[key] for key in whole if key != weight},
        r"layer5 is \(7,\), expected nothing": whole | {"layer5": torch.zeros(7)},  # a deeper one
    }
    for match, state in others.items():
        torch.save({"state_dict": state}, file)
        with pytest.raises(RunError, match=rf"{name}: checkpoint of another network \({match}"):
            train(dataset, copy, resume=True, machine=quiet())
    for damaged in (b"", file.read_bytes()[:1000]):
        file.write_bytes(damaged)
        with pytest.raises(RunError, match=rf"{name}: damaged checkpoint"):
            train(dataset, copy, resume=True, machine=quiet())
    file.unlink()
    if name == "best.ckpt":  # without the last one there is nothing to resume: the run is begun again
        with pytest.raises(RunError, match=rf"{name}: damaged checkpoint .*No such file"):
            train(dataset, copy, resume=True, machine=quiet())


def test_resuming_refuses_settings_without_a_usable_normalisation(trained, tmp_path):
    run, dataset = trained
    copy = copy_of(run.path, tmp_path / "run")
    written = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(written.replace("\nstd:", "\nstandard:"))
    with pytest.raises(RunError, match=r"config\.yaml: has no usable normalisation .*std.*train again"):
        train(dataset, copy, resume=True, machine=quiet())


@pytest.mark.slow
def test_what_stopped_early_is_not_trained_on(squares, tmp_path, monkeypatch):
    """With a learning rate of nearly nothing epochs soon cease to be better."""
    options = {**TINY, "epochs": 50, "patience": 1, "learning_rate": 1e-12}
    with monkeypatch.context() as patch:
        end_after_the_last_epoch(patch)
        train(squares, tmp_path / "run", machine=quiet(checkpoint_seconds=0), **options)
    before = rows(tmp_path / "run")
    assert len(before) < 50
    content = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    (stopping,) = (state for name, state in content["callbacks"].items() if "EarlyStopping" in name)
    assert (stopping["wait_count"], stopping["stopped_epoch"]) == (1, len(before) - 1)
    run = train(squares, tmp_path / "run", resume=True, machine=quiet())
    assert rows(tmp_path / "run") == before
    assert run.model.exists()


@pytest.mark.usefixtures("only_fitted")
def test_a_val_split_without_defects_is_watched_by_its_loss(squares, tmp_path, caplog):
    lines = ["name,split", *(f"im{i:02},{'val' if i % 6 == 0 else 'train'}" for i in range(12))]
    (squares / "split.csv").write_text("\n".join(lines))
    for i in (0, 6):
        Image.new("L", (64, 64)).save(squares / "masks" / f"im{i:02}.png")
    run = train(squares, tmp_path / "run", machine=quiet(), **{**TINY, "epochs": 3})
    assert "nothing but background" in caplog.text
    best = torch.load(run.path / "checkpoints" / "best.ckpt", weights_only=True)["epoch"]
    val_loss = [float(row["val_loss"]) for row in rows(run.path)]
    assert best == val_loss.index(min(val_loss))


def test_a_device_this_machine_lacks_is_said(squares, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ArgumentError, match="`accelerator='gpu'`, `devices=1`: not on this machine"):
        train(squares, tmp_path / "run", machine=Machine(accelerator="gpu", progress=False), **TINY)
    assert not (tmp_path / "run").exists()


def test_an_existing_run_is_left_alone(trained):
    run, dataset = trained
    before = (run.path / "config.yaml").read_text()
    with pytest.raises(ExistsError, match="exists already; give another `out`, or `resume=True` to resume"):
        train(dataset, run.path, machine=quiet(), **TINY)
    assert (run.path / "config.yaml").read_text() == before


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"encoder": "resnet35"}, "resnet34"),
        ({"loss": "jacard"}, "jaccard"),
        ({"class_weights": (1.0, 2.0, 3.0)}, "2"),
        ({"class_weights": (1.0, 2.0)}, "`class_weights`: would change nothing, since `loss='jaccard'`"),
        ({"class_weights": "frequency", "loss": "dice+lovasz"}, "`class_weights`: would change nothing"),
        pytest.param(
            {"precision": "16"},
            "`precision='16'`: needs a GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU"),
        ),
        ({"split": "nowhere.csv"}, r"nowhere\.csv"),
    ],
)
def test_bad_settings_leave_no_run_folder(squares, tmp_path, options, match):
    with pytest.raises(SolarsegError, match=match):
        train(squares, tmp_path / "run", machine=quiet(), **{**TINY, **options})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_damaged_image_is_named_before_training_begins(squares, tmp_path, part):
    names = {"train": "im00", "val": "im04", "test": "im08"}
    split = {f"im{i:02}": "train" for i in range(12)} | {name: part for part, name in names.items()}
    (squares / "groups.csv").unlink()
    (squares / "split.csv").write_text("\n".join(["name,split", *map(",".join, split.items())]))
    image = squares / "images" / f"{names[part]}.png"
    image.write_bytes(image.read_bytes()[:200])
    with pytest.raises(SolarsegError, match=rf"{names[part]}\.png"):
        train(squares, tmp_path / "run", machine=quiet(), **TINY)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_split_without_val_and_test_trains_to_the_last_epoch(squares, tmp_path):
    lines = ["name,split", *(f"im{i:02},train" for i in range(12))]
    (squares / "split.csv").write_text("\n".join(lines))
    run = train(squares, tmp_path / "run", machine=quiet(), **{**TINY, "epochs": 1})
    assert run.report is None
    assert run.model.exists()
    assert not (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()


@pytest.mark.posix
def test_a_checkpoint_that_cannot_be_written_leaves_the_last_good_one(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)
    script = f"""
import resource, signal, torch
from pathlib import Path
from solarseg.training.callbacks import AtomicCheckpointIO
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
AtomicCheckpointIO().save_checkpoint({{"weights": torch.zeros(1_000_000)}}, Path({str(path)!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert OutputError.__name__ in done.stderr
    assert "could not be written" in done.stderr
    assert AtomicCheckpointIO().load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_time_left_is_shown_on_narrow_terminals_too():
    scores = {"loss": 0.19512, "val_loss": 0.54, "val_iou": 0.547}
    trainer = SimpleNamespace(
        num_training_batches=6, max_epochs=100, current_epoch=99, callback_metrics=scores
    )
    bar, shown = TimeLeft(), io.StringIO()
    bar.disable()
    bar.on_train_start(trainer, None)
    bar.on_train_batch_end()
    bar.on_train_epoch_end(trainer, None)
    Console(file=shown, width=80).print(bar._progress.get_renderable())
    assert re.fullmatch(
        r"epoch 100/100 [━╸╺ ]{4,} \S:\S\S:\S\S left loss 0\.195  val_loss 0\.540  val_iou 0\.547 *\n",
        shown.getvalue(),
    )


def test_checkpoints_never_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    torch.save({"state_dict": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(Exception, match="weights_only"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "owned").exists()


@pytest.mark.slow
def test_two_processes_train_one_network(squares, tmp_path):
    command = [sys.executable, "-m", "solarseg", "train", str(squares), "--out", str(tmp_path / "run"), "--quiet",
               "--accelerator", "cpu", "--devices", "2", "--encoder", "resnet18", "--encoder-weights", "none",
               "--image-size", "64", "--epochs", "1", "--batch-size", "2", "--precision", "32",
               "--val", "0.3"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    (row,) = rows(tmp_path / "run")
    assert (tmp_path / "run" / "evaluation" / "report.json").exists()
    assert done.stdout.count("model file:") == 1
    # The two shared out the val images and put their counts together: one process counts the same.
    report = evaluate(tmp_path / "run", squares, split="val")
    assert report.n_images == 4
    assert float(row["val_accuracy"]) == pytest.approx(report.accuracy, abs=1e-4)
    assert float(row["val_iou"]) == pytest.approx(report.iou["foreground"], abs=1e-4)
