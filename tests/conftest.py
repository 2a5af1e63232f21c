"""Data that the tests make for themselves."""

import importlib
import os
import pickle
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings
from PIL.ImageFile import ImageFile
from tiny_runs import TINY, quiet, write_squares

WORKERS = 4  # of about 2 GB each


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run folders on one process for each core; single files in this process, which starts sooner."""
    if all(Path(arg.partition("::")[0]).is_file() for arg in config.args):
        return 0
    return min(WORKERS, os.cpu_count() or 1)


def _keep_to_one_core() -> None:
    """Let each of several processes, and what it starts, use one core: torch, ONNX Runtime and OpenCV take all else."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


_keep_to_one_core()
settings.register_profile("any machine", deadline=None)  # nothing is asserted about time
settings.load_profile("any machine")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what an operating system cannot do."""
    if os.name != "posix" and item.get_closest_marker("posix"):
        pytest.skip("needs signals or limits of POSIX")


@pytest.fixture
def load_benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Import a script of ``benchmarks/`` by name; its modules are forgotten at the end, since their names are short."""
    folder = Path(__file__).parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield importlib.import_module
    for file in folder.glob("*.py"):
        if file.stem not in before:
            sys.modules.pop(file.stem, None)


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    return write_squares(tmp_path / "squares")


@pytest.fixture
def make_squares(tmp_path: Path) -> Callable[..., Path]:
    return lambda name="more", **options: write_squares(tmp_path / name, **options)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], int]:
    """Say how often a file that Pillow reads was decoded in this process."""
    counts: Counter[int] = Counter()
    load = ImageFile.load

    def watched(picture: ImageFile) -> Any:
        if picture.tile and picture.fp is not None:  # not decoded yet
            place = picture.fp.tell()
            picture.fp.seek(0)
            counts[zlib.crc32(picture.fp.read())] += 1
            picture.fp.seek(place)
        return load(picture)

    monkeypatch.setattr(ImageFile, "load", watched)
    return lambda file: counts[zlib.crc32(file.read_bytes())]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that the processes of a test run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder if worker_id == "master" else folder.parent


@pytest.fixture(scope="module")
def shared_graphs(shared_folder: Path) -> Iterator[None]:
    """Let networks of one structure share the work of exporting it."""
    from shared_graphs import share

    from solarseg.networks import export

    (shared_folder / "graphs").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_to_onnx", share(export._to_onnx, shared_folder / "graphs"))
        yield


@pytest.fixture(scope="session")
def trained(shared_folder: Path) -> tuple[Any, Path]:
    """A run, and the dataset it was trained on; not to be changed. Processes share it: it takes seconds."""
    from solarseg.training.fit import train

    folder = shared_folder / "trained"
    with FileLock(f"{folder}.lock"):
        if not (folder / "run.pickle").exists():
            dataset = write_squares(folder / "squares")
            run = train(dataset, folder / "run", machine=quiet(), **{**TINY, "epochs": 15, "batch_size": 2})
            assert run is not None
            (folder / "run.pickle").write_bytes(pickle.dumps(run))
        return pickle.loads((folder / "run.pickle").read_bytes()), folder / "squares"


@pytest.fixture
def shared_weights(trained: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings with `TINY` write the weights of `trained`: exporting their own takes several times as long."""
    from solarseg.networks.export import sign
    from solarseg.training import fit

    def write(network: Any, info: Any, path: Path, inputs: Any) -> None:
        shutil.copy(trained[0].model, path)
        sign(path, info)

    monkeypatch.setattr(fit, "write_model_file", write)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SOLARSEG_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real images are not at {folder}; set SOLARSEG_TEST_DATA")
    return folder
