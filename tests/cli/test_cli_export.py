"""``solarseg export``: from a run to model files that were compared with it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import solarseg
from solarseg.cli import main
from solarseg.datasets import open_dataset
from solarseg.datasets.splits import read_split
from solarseg.errors import MissingExtraError
from solarseg.evaluation import gate
from solarseg.inference.model import load_model
from solarseg.inference.model_file import read_info
from solarseg.networks.backend import load_network
from solarseg.networks.export import write_graph
from solarseg.runs import RunFolder
from solarseg.training import export as job
from solarseg.training.export_images import find_export_images

pytestmark = pytest.mark.usefixtures("shared_graphs")


@pytest.fixture(scope="module")
def graph(trained, tmp_path_factory):
    """The network as ONNX, as every export begins; it takes seconds."""
    info, path = read_info(trained[0].model), tmp_path_factory.mktemp("graph") / "graph.onnx"
    write_graph(load_network(trained[0].model, info), info, path)
    return path


@pytest.fixture
def run(trained, graph, tmp_path, monkeypatch):
    """A copy of a trained run, to export into."""
    monkeypatch.setattr(job, "write_graph", lambda network, info, path: shutil.copy(graph, path))
    return Path(shutil.copytree(trained[0].path, tmp_path / "run"))


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """A run with an int8 file and OpenVINO's, and what the command printed; not to be changed."""
    folder = Path(shutil.copytree(trained[0].path, tmp_path_factory.mktemp("exported") / "run"))
    solarseg.export_model(folder, int8=True, openvino=True, force=True)
    return folder


def files_of(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


def call(capsys, *arguments):
    code = main([*map(str, arguments), "--quiet"])
    return code, *capsys.readouterr()


def inputs_of(dataset, info, names):
    data = open_dataset(dataset)
    return np.stack([info.preprocessing.to_input(data[name].image) for name in names])


@pytest.mark.slow
def test_a_float32_export_is_the_network_again(run, trained, capsys, monkeypatch):
    monkeypatch.setattr(job, "write_graph", write_graph)
    before = read_info(run / "model.onnx")
    (run / "model.onnx").touch()
    code, out, _ = call(capsys, "export", run)
    assert code == 0
    assert "0.00% of the pixels change class" in out
    after = read_info(run / "model.onnx")
    assert after.scores == before.scores
    assert after.gate["split"] == "test"
    assert after.gate["passed"]
    assert after.gate["largest_difference"] < 1e-4
    inputs = inputs_of(trained[1], before, open_dataset(trained[1]).names)
    expected = load_model(trained[0].path, backend="torch").probabilities(inputs)
    assert np.abs(load_model(run).probabilities(inputs) - expected).max() < 1e-4


@pytest.mark.slow
def test_int8_says_what_it_is_and_what_it_costs(exported, trained):
    whole, info = read_info(exported / "model.onnx"), read_info(exported / "model-int8.onnx")
    assert (whole.precision, info.precision) == ("float32", "int8")
    assert info.fingerprint != whole.fingerprint
    assert whole.scores
    assert not info.scores  # those of the network are not its own
    assert info.gate["calibrated_on"] == "squares"
    assert info.gate["calibration_images"] == list(read_split(exported / "split.csv").values()).count("train")
    assert info.gate["kept_in_float"] == []
    assert (exported / "model-int8.onnx").stat().st_size < 0.3 * (exported / "model.onnx").stat().st_size
    of_the_network = (exported / "evaluation" / "report.json").read_text()
    report = solarseg.evaluate(exported / "model-int8.onnx", trained[1])
    assert (exported / "evaluation" / "report.json").read_text() == of_the_network
    assert (exported / "evaluation-model-int8" / "report.json").exists()
    assert list(info.gate["export_iou"].values()) == pytest.approx(list(report.iou.values()), abs=1e-5)


def test_int8_is_predicted_by_both_runtimes_alike(exported, trained):
    info = read_info(exported / "model-int8.onnx")
    inputs = inputs_of(trained[1], info, open_dataset(trained[1]).names)
    one, other = (
        load_model(exported / "model-int8.onnx", backend=name).probabilities(inputs)
        for name in ("onnxruntime", "openvino")
    )
    assert (one.argmax(-1) != other.argmax(-1)).mean() < 0.002
    code = main(
        [
            "predict",
            str(exported / "model-int8.onnx"),
            str(trained[1] / "images"),
            "--out",
            str(exported.parent / "p"),
        ]
    )
    assert code == 0


def test_openvinos_files_give_the_same_and_say_what_they_are(exported, trained):
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(exported / "model-int8-openvino" / "model.xml")
    said = json.loads(model.get_rt_info("solarseg").value)
    assert said == json.loads(read_info(exported / "model-int8.onnx").model_dump_json())
    info = read_info(exported / "model-int8.onnx")
    inputs = inputs_of(trained[1], info, open_dataset(trained[1]).names[:4])
    found = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)[0]
    expected = load_model(exported / "model-int8.onnx", backend="openvino").probabilities(inputs)
    assert np.abs(found - expected).max() < 0.05


def test_half_is_half_and_goes_elsewhere_when_asked(run, tmp_path, capsys):
    code, out, _ = call(capsys, "export", run, "--half", "--out", tmp_path / "small.onnx")
    assert code == 0
    info = read_info(tmp_path / "small.onnx")
    assert info.precision == "float16"
    assert info.gate["passed"]
    assert (tmp_path / "small.onnx").stat().st_size < 0.52 * (run / "model.onnx").stat().st_size
    assert re.search(r"model file: .*small\.onnx \([\d.]+ MB\)", out)
    assert "model-half.onnx" not in files_of(run)


@pytest.mark.slow
def test_an_export_that_loses_too_much_is_not_written(run, capsys, caplog, monkeypatch):
    real = job.quantise_until_it_passes

    def badly(source, target, images, compare, progress):
        """Calibrated on black images, it takes all that is brighter for one."""
        monkeypatch.setattr(gate, "LIMIT", 1000)
        kept = real(source, target, [np.zeros_like(image) for image in images], compare)
        monkeypatch.setattr(gate, "LIMIT", 0.5)
        return kept

    monkeypatch.setattr(job, "quantise_until_it_passes", badly)
    before = files_of(run)
    code, _, error = call(capsys, "export", run, "--int8", "--openvino")
    assert code == 2
    assert re.search(
        r"error: int8: the model file lost [\d.]+ points of IoU on the class \w+, allowed are 0\.5", error
    )
    assert re.search(r"foreground +[\d.]+% +[\d.]+% +-[\d.]+", caplog.text)
    assert files_of(run) == before
    assert call(capsys, "export", run, "--int8", "--force")[0] == 0
    assert "written anyway" in caplog.text
    info = read_info(run / "model-int8.onnx")
    assert not info.gate["passed"]
    assert max(info.gate["points_lost"].values()) > 0.5


def test_calibration_and_gate_share_no_image(run, trained, tmp_path):
    info, folder = read_info(run / "model.onnx"), RunFolder(run)
    split = read_split(run / "split.csv")
    images = find_export_images(folder, info, None, None)
    assert {split[name] for name in images.calibration.data.names} == {"train"}
    assert {split[name] for name in images.choice.data.names} == {"val"}
    assert {split[name] for name in images.gate.data.names} == {"test"}
    # The same images under other names: what is held out is known by its content.
    other = Path(shutil.copytree(trained[1], tmp_path / "other"))
    (other / "groups.csv").unlink()
    for file in [*other.rglob("im*.png")]:
        file.rename(file.with_name(f"x{file.name}"))
    drawn = find_export_images(folder, info, None, other).calibration.data.names
    assert sorted(drawn) == sorted(f"x{name}" for name, part in split.items() if part == "train")


def test_without_test_images_val_is_the_gate_and_chooses_nothing(run):
    text = (run / "split.csv").read_text().replace(",test", ",train")
    (run / "split.csv").write_text(text)
    images = find_export_images(RunFolder(run), read_info(run / "model.onnx"), None, None)
    split = read_split(run / "split.csv")
    assert images.gate_split == "val"
    assert {split[name] for name in images.choice.data.names} == {"train"}


@pytest.mark.slow
def test_a_run_that_never_had_a_best_epoch_exports_its_last(run, capsys, monkeypatch):
    monkeypatch.setattr(job, "write_graph", write_graph)
    (run / "checkpoints" / "best.ckpt").unlink()
    assert call(capsys, "export", run)[0] == 0
    (run / "checkpoints" / "last.ckpt").unlink()
    code, _, error = call(capsys, "export", run)
    assert code == 2
    assert "best.ckpt: no such checkpoint" in error


def test_a_dataset_that_was_moved_or_changed(run, trained, tmp_path, capsys):
    moved = Path(shutil.copytree(trained[1], tmp_path / "moved"))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(trained[1]), str(tmp_path / "gone")))
    code, _, error = call(capsys, "export", run)
    assert code == 2
    assert re.fullmatch(
        r"error: .*gone: the dataset that .* was trained on is missing; give its folder as .*\n", error
    )
    assert call(capsys, "export", run, "--dataset", moved)[0] == 0
    file = moved / "images" / "im00.png"
    file.write_bytes((moved / "images" / "im01.png").read_bytes())
    code, _, error = call(capsys, "export", run, "--dataset", moved)
    assert code == 2
    assert "or has changed since (fingerprint" in error


def test_what_cannot_be_is_one_line(run, trained, tmp_path, capsys, monkeypatch):
    (run / "model-int8.onnx").write_bytes(b"before")
    split = (run / "split.csv").read_text()
    cases = [
        (["--int8", "--half"], "give one of them"),
        (["--calibrate", trained[1]], "requires"),
        (["--out", run / "model.txt"], "must end in .onnx"),
        (["--half", "--out", run / "model.onnx"], "is the float32 model file of the run"),
        (["--int8"], "exists already; give another"),
    ]
    for options, message in cases:
        code, _, error = call(capsys, "export", run, *options)
        assert (code, error.count("\n")) == (2, 1)
        assert message in error
    assert (run / "model-int8.onnx").read_bytes() == b"before"
    (run / "split.csv").write_text(re.sub(",(test|val)", ",train", split))
    assert "no image is in the test or val split" in call(capsys, "export", run)[2]
    assert "no such run folder" in call(capsys, "export", tmp_path / "none")[2]
    assert "no such model file" in call(capsys, "export", trained[1])[2]

    def missing(package, extra):
        raise MissingExtraError(extra, package)

    monkeypatch.setattr(job, "require", missing)
    assert "pip install 'solarseg[openvino]'" in call(capsys, "export", run, "--openvino")[2]


def test_all_images_of_the_calibration_held_out(run, trained, tmp_path, capsys):
    split = read_split(run / "split.csv")
    other = Path(shutil.copytree(trained[1], tmp_path / "other"))
    for name, part in split.items():
        if part == "train":
            for kind in ("images", "masks"):
                (other / kind / f"{name}.png").unlink()
    (other / "groups.csv").unlink()
    code, _, error = call(capsys, "export", run, "--int8", "--calibrate", other)
    assert code == 2
    assert "the run holds out all its images" in error


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_export_that_is_interrupted_leaves_nothing(run, monkeypatch, capsys, stop):
    before, content = files_of(run), (run / "model.onnx").read_bytes()

    def fail(*_):
        raise stop

    monkeypatch.setattr(job, "sign", fail)
    for options in ([], ["--half"]):
        assert call(capsys, "export", run, *options)[0] != 0
    assert files_of(run) == before
    assert (run / "model.onnx").read_bytes() == content


def test_overwrite_replaces_file_and_folder(run, capsys):
    for _ in range(2):
        code, *_ = call(capsys, "export", run, "--half", "--openvino", "--overwrite")
        assert code == 0
    assert sorted(file.name for file in (run / "model-half-openvino").iterdir()) == ["model.bin", "model.xml"]
