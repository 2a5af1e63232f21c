"""Real masks, there and back."""

from importlib import import_module
from pathlib import Path

import pytest

from solarseg.datasets import open_dataset
from solarseg.formats import open_source
from solarseg.formats.labels import Labelled


@pytest.mark.parametrize("name", ["coco", "labelme", "supervisely"])
@pytest.mark.parametrize("tolerance", [0.0, 1.0])
def test_real_masks_come_back(real_data: Path, tmp_path: Path, name: str, tolerance: float) -> None:
    data = open_dataset(real_data / "pv01-tiles")
    masks = {each: data[each].mask for each in data.names}
    items = [Labelled(each, data.image_path(each), masks[each]) for each in data.names]
    import_module(f"solarseg.formats.{name}.write").write(items, data.classes, tmp_path, tolerance)
    source = open_source(tmp_path, name)
    assert source.classes.names == data.classes.names
    common = either = changed = 0
    for sample in source:
        mask = masks.pop(sample.name)
        common += (sample.mask & mask).sum()
        either += (sample.mask | mask).sum()
        changed += (sample.mask != mask).sum()
    assert not masks
    if tolerance == 0 or name == "supervisely":
        assert changed == 0
    else:
        assert common / either > 0.98
