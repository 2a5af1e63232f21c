"""Data that the tests make for themselves."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

settings.register_profile("any machine", deadline=None)  # nothing is asserted about time
settings.load_profile("any machine")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what an operating system cannot do."""
    if os.name != "posix" and item.get_closest_marker("posix"):
        pytest.skip("needs signals or limits of POSIX")


TINY = {"encoder": "resnet18", "image_size": 64, "epochs": 2, "batch_size": 4, "precision": "32"}


def quiet(**options: Any) -> Any:
    """A machine that shows nothing and uses no GPU."""
    from solarseg.training.config import Machine

    return Machine(accelerator="cpu", progress=False, **options)


def write_squares(root: Path, count: int = 12, size: int = 64, groups: int = 6, seed: int = 0) -> Path:
    """A dataset folder of bright squares on dark noise, masks 0/255, and groups.csv."""
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    lines = ["name,group"]
    for i in range(count):
        image = rng.integers(0, 80, (size, size, 3), dtype=np.uint8)
        mask = np.zeros((size, size), dtype=np.uint8)
        y, x = rng.integers(0, size // 2, 2)
        mask[y : y + size // 3, x : x + size // 3] = 255
        image[mask > 0] += 150
        Image.fromarray(image).save(root / "images" / f"im{i:02}.png")
        Image.fromarray(mask).save(root / "masks" / f"im{i:02}.png")
        lines.append(f"im{i:02},g{i % groups}")
    (root / "groups.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    return write_squares(tmp_path / "squares")


@pytest.fixture
def make_squares(tmp_path: Path) -> Callable[..., Path]:
    return lambda name="more", **options: write_squares(tmp_path / name, **options)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A run, and the dataset it was trained on; not to be changed."""
    from solarseg.training.fit import train

    folder = tmp_path_factory.mktemp("trained")
    dataset = write_squares(folder / "squares")
    run = train(dataset, folder / "run", machine=quiet(), **{**TINY, "epochs": 15, "batch_size": 2})
    assert run is not None
    return run, dataset


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SOLARSEG_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real images are not at {folder}; set SOLARSEG_TEST_DATA")
    return folder
