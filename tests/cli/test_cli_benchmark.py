import re

import pytest

from solarseg.cli import main
from solarseg.errors import MissingExtraError
from solarseg.inference import timing
from solarseg.inference.model import load_model


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    monkeypatch.setenv("SOLARSEG_SETTINGS", str(tmp_path / "settings"))


def test_the_table_and_what_is_remembered(trained, capsys):
    run, dataset = trained
    assert main(["benchmark", str(run.path), "--images", str(dataset), "--save", "--quiet"]) == 0
    found = capsys.readouterr().out
    for backend in ("onnxruntime", "openvino", "torch"):
        assert re.search(
            rf"{backend} +[\d.]+ ms an image in batches of 1 \(\d+ a second\), +[\d.]+ ms", found
        )
    assert re.search(
        r"from file to mask with \w+: [\d.]+ images a second, \d+% of the network alone \(12 images", found
    )
    (kept,) = re.findall(r"remembered: (\w+),", found)
    assert load_model(run.path).backend == kept


def test_nothing_is_remembered_unasked(trained, capsys):
    run, _ = trained
    assert main(["benchmark", str(run.path), "--quiet"]) == 0
    assert "--save remembers it" in capsys.readouterr().out
    assert load_model(run.path).backend == "onnxruntime"


def test_what_is_not_installed_is_said(trained, capsys, monkeypatch):
    run, _ = trained
    real = timing.load_model

    def load(path, *, backend, **options):
        if backend == "openvino":
            raise MissingExtraError("openvino", "openvino")
        return real(path, backend=backend, **options)

    monkeypatch.setattr(timing, "load_model", load)
    assert main(["benchmark", str(run.model), "--quiet"]) == 0
    assert "openvino     openvino is not installed; install it with: pip install 'solarseg[openvino]'" in (
        capsys.readouterr().out
    )


def test_turns_are_taken_and_the_middle_counts(monkeypatch):
    now, order = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    lasting = {"a": iter([100, 1, 2, 3, 4, 5] * 3), "b": iter([0, 7, 7, 7, 7, 7] * 3)}

    def work(name):
        order.append(name)
        now[0] += next(lasting[name])

    assert timing.take_turns({"a": lambda: work("a"), "b": lambda: work("b")}) == {"a": 3, "b": 7}
    assert order == [*"aaaaaabbbbbb"] * 3
