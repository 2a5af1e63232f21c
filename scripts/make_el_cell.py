"""Make the model 'el-cell' that ships with the package: generate cells, train, and export.

    python scripts/make_el_cell.py WORK                                              # WORK/el-cell.onnx
    python scripts/make_el_cell.py WORK --model src/solarseg/models/el-cell.onnx     # the same, into the package

It takes six minutes on an H100, one of them for the cells, and a day on two cores. The same command resumes
after the last step or epoch that was done. Split, network, loss, optimiser and schedule are those of
`solarseg train`, but all cells stay in the memory of the training device, so that a fast GPU does not wait.
The model file is int8. Write its card, `src/solarseg/models/el-cell.md`, by hand.
"""

import argparse
import json
import subprocess
from pathlib import Path
from shutil import copyfile

import torch
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from solarseg import evaluate, export_model, open_dataset
from solarseg.files import atomic_path, write_json
from solarseg.networks.export import update_info
from solarseg.runs import RunFolder
from solarseg.synthesis import write_cells
from solarseg.training.callbacks import History
from solarseg.training.config import Machine, TrainConfig, make_config
from solarseg.training.datamodule import TrainingData
from solarseg.training.division import find_division
from solarseg.training.fit import Parts, build_parts, describe_computing, finish_run, survey_samples
from solarseg.training.run_folder import write_beginning
from solarseg.training.task import ForegroundIoU, warmup_cosine

HERE = Path(__file__).resolve().parents[1]
COUNT, SEED = 32_000, 0
SETTINGS = {
    "encoder": "resnet34",
    "encoder_weights": "none",
    "epochs": 15,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "warmup": 0.05,
    "loss": "jaccard+cross_entropy",
    "class_weights": (0.5, 0.5, 0.7, 2, 1.2, 1.5),  # defects are thin or rare
    "augment": "light",  # the generator varies the rest
    "val": 0.02,
    "test": 0.05,
    "precision": "bf16",
    "search": False,  # randomly generated cells have no copies
}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LARGEST = 30e6  # bytes of the model file
WAYS = 8  # symmetries of a square


def main() -> None:
    """Run the steps that are not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder for cells, weights and run")
    parser.add_argument("--model", type=Path, help="model file to write (default: WORK/el-cell.onnx)")
    parser.add_argument("--count", type=int, default=COUNT, help="number of cells; fewer to try it")
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"], help="epochs; fewer to try it")
    parser.add_argument("--as-of", help="commit whose src/solarseg/synthesis generates the cells")
    options = parser.parse_args()
    check_recipe(options.work, {"count": options.count, "epochs": options.epochs, "as_of": options.as_of})
    cells, run = options.work / "cells", options.work / "run"
    if not cells.exists():
        check_commit(options.as_of)
        write_cells(cells, options.count, seed=SEED, progress=True)
    if not (run / "model.onnx").exists():
        make_run(cells, options.work, make_config(**SETTINGS | {"epochs": options.epochs}))
    done = export_model(run, int8=True, overwrite=True)
    print(done.comparison)
    # Scores of the exported file, on the test split of the run.
    report = evaluate(done.model, cells, out=options.work / "evaluation")
    count = len(open_dataset(cells))
    command = f"solarseg synth el --count {count} --seed {SEED}"
    if options.as_of:
        command += f", as of commit {options.as_of}"
    recipe = f"{count:,} generated EL cells ({command})"
    scores = report.scores() | {"dataset": recipe}
    update_info(done.model, dataset=recipe, fills_image=True, scores=scores)
    if done.model.stat().st_size > LARGEST:
        raise SystemExit(
            f"{done.model}: {done.model.stat().st_size / 1e6:.1f} MB; a model that ships may have {LARGEST / 1e6:.0f}"
        )
    target = options.model or options.work / "el-cell.onnx"
    with atomic_path(target) as temporary:
        copyfile(done.model, temporary)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB\n{report.summary_text()}")


def check_commit(commit: str | None) -> None:
    """Exit if the generator of cells differs from that of the commit that the recipe will name."""
    if not commit:
        return
    differs = ["git", "-C", str(HERE), "diff", "--quiet", commit, "--", "src/solarseg/synthesis"]
    done = subprocess.run(differs, check=False, capture_output=True, text=True)
    if done.returncode > 1:
        raise SystemExit(f"--as-of {commit}: {done.stderr.strip()}")
    if done.returncode:
        raise SystemExit(
            f"--as-of {commit}: src/solarseg/synthesis differs; git checkout {commit} -- src/solarseg/synthesis"
        )


def check_recipe(work: Path, recipe: dict[str, object]) -> None:
    """Save the settings in the work folder, and exit if it was started with other settings."""
    file = work / "recipe.json"
    if file.exists() and (earlier := json.loads(file.read_text(encoding="utf-8"))) != recipe:
        raise SystemExit(f"{work}: was started with {earlier}, not with {recipe}; choose another folder")
    write_json(file, recipe)


def make_run(cells: Path, work: Path, config: TrainConfig) -> None:
    """Make a run folder like that of `train`, from saved weights or from a new training."""
    run, machine, data = RunFolder(work / "run"), Machine(), open_dataset(cells)
    survey, store = survey_samples(data, config, machine, copies=config.search)
    division = find_division(run, survey, config, progress=True)
    parts = build_parts(survey, division.split, config, machine, store)
    computing = describe_computing(config, machine)
    write_beginning(run, data, division, config, parts.preprocessing, survey.digests, computing)
    network, history = parts.task.network, History(run.metrics)
    weights = work / "weights.safetensors"
    if not weights.exists():
        fit(parts, config, work / "training.pt")
        # Half precision keeps more than the 8 bits that the exported matrices have.
        halved = {
            name: value.half() if value.ndim > 1 else value for name, value in network.state_dict().items()
        }
        save_file({name: value.contiguous().cpu() for name, value in halved.items()}, weights)
    network.to("cpu").load_state_dict(load_file(weights))
    if (work / "training.pt").exists():
        history.rows = torch.load(work / "training.pt", map_location="cpu", weights_only=True)["rows"]
    run.best.parent.mkdir(exist_ok=True)
    torch.save({"state_dict": parts.task.state_dict()}, run.best)  # export reads the weights from here
    finish_run(run, survey, config, machine, parts, history)


def fit(parts: Parts, config: TrainConfig, checkpoint: Path) -> None:
    """Train the network and save a checkpoint each epoch; resume from the checkpoint if there is one."""
    network, loss = parts.task.network.to(DEVICE).train(), parts.task.loss.to(DEVICE)
    images, masks = load_all(parts.batches.train)
    optimizer = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    batches, rows = len(images) // config.batch_size, []
    if not batches:
        raise SystemExit(
            f"{len(images)} cells to train on, fewer than a batch of {config.batch_size}; increase --count"
        )
    if checkpoint.exists():
        done = torch.load(checkpoint, map_location=DEVICE, weights_only=True)
        network.load_state_dict(done["network"])
        optimizer.load_state_dict(done["optimizer"])
        rows = done["rows"]
    for epoch in range(len(rows), config.epochs):
        torch.manual_seed(config.seed + epoch)
        order, total = torch.randperm(len(images)).to(DEVICE), torch.zeros((), device=DEVICE)
        for batch in track(range(batches), f"epoch {epoch + 1} of {config.epochs}"):
            step = epoch * batches + batch
            rate = config.learning_rate * warmup_cosine(step, config.epochs * batches, config.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate
            chosen = order[batch * config.batch_size : (batch + 1) * config.batch_size]
            with torch.autocast(DEVICE, torch.bfloat16):
                value = loss(
                    network(scale(apply_symmetries(images[chosen]))), apply_symmetries(masks[chosen])
                )
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            total += value.detach()
        rows.append({"epoch": epoch + 1, "loss": float(total) / batches, "val_iou": score(parts, config)})
        print(rows[-1])
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "rows": rows}
        with atomic_path(checkpoint) as temporary:
            torch.save(state, temporary)


def load_all(data: TrainingData) -> tuple[Tensor, Tensor]:
    """Return all images and masks, both ``(N, S, S) uint8``, on the training device."""
    images, masks = zip(*(data[i] for i in range(len(data))), strict=True)
    return torch.cat(images).to(DEVICE), torch.stack(masks).to(DEVICE)


def scale(images: Tensor) -> Tensor:
    """Scale images to the input of the network, ``(N, 1, S, S)`` from 0 to 1."""
    return (images[:, None].float() / 255).contiguous(memory_format=torch.channels_last)


def apply_symmetries(batch: Tensor) -> Tensor:
    """Apply another symmetry to each eighth of a batch; the same to images and to masks."""
    parts = []
    for symmetry in range(WAYS):
        part = batch[symmetry::WAYS]
        parts.append(torch.rot90(part.flip(2) if symmetry >= WAYS // 2 else part, symmetry % 4, (1, 2)))
    return torch.cat(parts)


@torch.no_grad()
def score(parts: Parts, config: TrainConfig) -> float:
    """Return the IoU of the val split, mean of the classes other than background."""
    network, measure = parts.task.network.eval(), ForegroundIoU(6).to(DEVICE)
    images, masks = load_all(parts.batches.val)
    for start in range(0, len(images), config.batch_size):
        some = slice(start, start + config.batch_size)
        with torch.autocast(DEVICE, torch.bfloat16):
            measure.update(network(scale(images[some])).argmax(dim=1), masks[some])
    network.train()
    return float(measure.compute())


if __name__ == "__main__":
    main()
