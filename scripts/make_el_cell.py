"""Make the model that ships as 'el-cell': generate cells, train on them, export, and put it into the package.

    python scripts/make_el_cell.py WORK

Takes some hours on two cores; the same command again goes on where it was cut. The model file is int8 where the gate of
`solarseg export` allows, else float16. Its card, `src/solarseg/models/el-cell.md`, is written by hand.
"""

import argparse
from pathlib import Path
from shutil import copyfile

from solarseg import evaluate, export, train
from solarseg.errors import ModelFileError
from solarseg.networks.export import update_info
from solarseg.synthesis import write_cells

HERE = Path(__file__).resolve().parents[1]
COUNT, SEED = 8_000, 0
SETTINGS = {
    "encoder": "resnet18",
    "epochs": 3,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "warmup": 0.05,
    "loss": "jaccard+cross_entropy",
    "class_weights": (0.5, 0.5, 0.7, 2, 1.2, 2),  # defects are thin or rare
    "augment": "light",  # the generator varies the rest
    "val": 0.02,
    "test": 0.05,
    "search": False,  # cells drawn at random are no copies
}


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder for cells and run")
    parser.add_argument("--model", type=Path, default=HERE / "src/solarseg/models/el-cell.onnx")
    asked = parser.parse_args()
    cells, run = asked.work / "cells", asked.work / "run"
    if not cells.exists():
        write_cells(cells, COUNT, seed=SEED, progress=True)
    if not (run / "model.onnx").exists():
        train(cells, run, resume=True, **SETTINGS)
    try:
        done = export(run, int8=True, overwrite=True)
    except ModelFileError as error:
        print(error)
        done = export(run, half=True, overwrite=True)
    print(done.comparison)
    report = evaluate(
        done.model, cells, out=asked.work / "evaluation"
    )  # of the file itself, on the run's test split
    recipe = f"{COUNT:,} generated EL cells (solarseg synth el --count {COUNT} --seed {SEED})"
    update_info(done.model, dataset=recipe, fills_image=True, scores=report.scores())
    asked.model.parent.mkdir(exist_ok=True)
    copyfile(done.model, asked.model)
    print(f"{asked.model}: {asked.model.stat().st_size / 1e6:.1f} MB\n{report.summary_text()}")


if __name__ == "__main__":
    main()
