import pytest

from solarseg.errors import ArgumentError, RunError
from solarseg.training.config import Machine, TrainConfig, make_config, read_config, write_config


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"image_size": 100}, "^`image_size=100`: must be a multiple of 32 from 32 to 4096, such as 96$"),
        ({"epochs": 0}, "`epochs=0`: "),
        ({"batch_size": -1}, "`batch_size=-1`: "),
        ({"augment": "wild"}, "`augment='wild'`: .*'standard'"),
        ({"precision": "8"}, "`precision='8'`: "),
        ({"encodr": "vgg16"}, "unknown option 'encodr'; known are encoder"),
        ({"class_weights": "rare"}, "`class_weights='rare'`: "),
        (
            {"val": 0.6, "test": 0.5},
            r"`val=0\.6` and `test=0\.5`: must be 0 or more and together less than 1",
        ),
        ({"val": float("nan")}, "`val=nan`: "),
        ({"bands": ()}, r"`bands=\(\)`: name each band"),
        ({"bands": ("B4", " ")}, "`bands=.*`: name each band, as in B4,B3,B2, or leave the option out"),
    ],
)
def test_bad_options_name_option_value_and_choices(options, match):
    with pytest.raises(ArgumentError, match=match):
        make_config(**options)


def test_settings_come_back_as_written(tmp_path):
    config = make_config(encoder="vgg16", class_weights=(1.0, 2.0), groups=tmp_path / "g.csv")
    write_config(tmp_path / "config.yaml", config, {"versions": {"solarseg": "1"}})
    assert read_config(tmp_path / "config.yaml") == (config, {"versions": {"solarseg": "1"}})


@pytest.mark.parametrize("text", ["", "train: 3", "train: {epochs: many}", "a: [", "other: 1"])
def test_damaged_settings_are_named(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=r"config\.yaml: damaged"):
        read_config(tmp_path / "config.yaml")


def test_every_setting_is_described():
    for name in TrainConfig.model_fields:
        assert f"{name}:" in (TrainConfig.__doc__ or "")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"devices": 0}, "`devices=0`: must be 1 or more"),
        ({"num_nodes": -1}, "`num_nodes=-1`"),
        ({"workers": -1}, "`workers=-1`: must be 0 or more"),
        ({"checkpoint_seconds": -1.0}, "`checkpoint_seconds=-1.0`"),
        ({"accelerator": "abacus"}, "`accelerator='abacus'`: must be auto, cpu or gpu"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(options, match):
    with pytest.raises(ArgumentError, match=match):
        Machine(**options)
