import pytest
from tiny_model import write_tiny

from solarseg.inference import timing
from solarseg.inference.model import load_model


# A turn lasts 115 and 35 seconds.
@pytest.mark.parametrize(("seconds", "turns"), [(0, 3), (260, 4)])
def test_turns_are_taken_and_the_median_counts(monkeypatch, seconds, turns):
    now, order = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    lasting = {"a": iter([100, 1, 2, 3, 4, 5] * turns), "b": iter([0, 7, 7, 7, 7, 7] * turns)}

    def work(name):
        order.append(name)
        now[0] += next(lasting[name])

    assert timing.take_turns({"a": lambda: work("a"), "b": lambda: work("b")}, seconds) == {"a": 3, "b": 7}
    assert order == [*"aaaaaabbbbbb"] * turns


def test_milliseconds_are_for_one_image(tmp_path, monkeypatch):
    model = load_model(write_tiny(tmp_path / "m.onnx"))
    monkeypatch.setattr(timing, "take_turns", dict.fromkeys)
    assert timing.time_models({"a": model, "b": model}, (1, 8), 0.4) == {
        "a": {1: 400, 8: 50},
        "b": {1: 400, 8: 50},
    }


def test_no_progress_writes_nothing(capsys):
    with timing.show_measuring(False):
        pass
    assert capsys.readouterr() == ("", "")
