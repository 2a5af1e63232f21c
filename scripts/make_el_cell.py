"""Make the model that ships as 'el-cell': generate cells, train on them, and export.

    python scripts/make_el_cell.py WORK                                              # WORK/el-cell.onnx
    python scripts/make_el_cell.py WORK --model src/solarseg/models/el-cell.onnx     # the same, into the package

Takes six minutes on an H100, of which the cells take one, and a day on two cores; the same command again goes on after
the last step or epoch that was done. The loop is that of `solarseg train`, of the same split, network, loss, optimiser
and schedule, but all cells lie in the memory of what trains, so that a fast GPU need not wait. The model file is int8.
Its card, `src/solarseg/models/el-cell.md`, is written by hand.
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

from solarseg import evaluate, export, open_dataset
from solarseg.files import atomic_path, write_json
from solarseg.networks.export import update_info
from solarseg.synthesis import write_cells
from solarseg.training.callbacks import History
from solarseg.training.config import Machine, TrainConfig, make_config
from solarseg.training.datamodule import TrainingData
from solarseg.training.fit import Parts, build_parts, describe_computing, finish_run
from solarseg.training.run_folder import RunFolder, fingerprint
from solarseg.training.task import ForegroundIoU, warmup_cosine

HERE = Path(__file__).resolve().parents[1]
COUNT, SEED = 32_000, 0
SETTINGS = {
    "encoder": "resnet34",
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
    "search": False,  # cells drawn at random are no copies
}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LARGEST = 30e6  # bytes of the model file
WAYS = 8  # of turning and mirroring a square


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder for cells, weights and run")
    parser.add_argument("--model", type=Path, help="file to write; by default el-cell.onnx in that folder")
    parser.add_argument("--count", type=int, default=COUNT, help="of cells; fewer to try it out")
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"], help="likewise")
    parser.add_argument(
        "--as-of", help="commit whose src/solarseg/synthesis was checked out to draw the cells"
    )
    asked = parser.parse_args()
    remember(asked.work, {"count": asked.count, "epochs": asked.epochs, "as_of": asked.as_of})
    cells, run = asked.work / "cells", asked.work / "run"
    if not cells.exists():
        check_commit(asked.as_of)
        write_cells(cells, asked.count, seed=SEED, progress=True)
    if not (run / "model.onnx").exists():
        make_run(cells, asked.work, make_config(**SETTINGS | {"epochs": asked.epochs}))
    done = export(run, int8=True, overwrite=True)
    print(done.comparison)
    # Of the file itself, on the run's test split.
    report = evaluate(done.model, cells, out=asked.work / "evaluation")
    count = len(open_dataset(cells))
    command = f"solarseg synth el --count {count} --seed {SEED}"
    if asked.as_of:
        command += f", as of commit {asked.as_of}"
    recipe = f"{count:,} generated EL cells ({command})"
    scores = report.scores() | {"dataset": recipe}
    update_info(done.model, dataset=recipe, fills_image=True, scores=scores)
    if done.model.stat().st_size > LARGEST:
        raise SystemExit(f"{done.model}: {done.model.stat().st_size / 1e6:.1f} MB, more than may ship")
    target = asked.model or asked.work / "el-cell.onnx"
    with atomic_path(target) as temporary:
        copyfile(done.model, temporary)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB\n{report.summary_text()}")


def check_commit(commit: str | None) -> None:
    """Refuse to say that cells are as of a commit when what draws them is not."""
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


def remember(work: Path, recipe: dict[str, object]) -> None:
    """Keep what was asked for, and refuse to go on with what was begun otherwise."""
    file = work / "recipe.json"
    if file.exists() and (begun := json.loads(file.read_text(encoding="utf-8"))) != recipe:
        raise SystemExit(f"{work}: was begun with {begun}, now {recipe} is asked for; give another folder")
    write_json(file, recipe)


def make_run(cells: Path, work: Path, config: TrainConfig) -> None:
    """Make a run folder as `train` does, from weights that are there or are trained now."""
    run, machine, data = RunFolder(work / "run"), Machine(), open_dataset(cells)
    content, division = fingerprint(data), run.find_split(data, config, progress=True)
    parts = build_parts(data, division.split, config, machine, None)
    run.begin(data, division, config, parts.preprocessing, content, describe_computing(config, machine))
    network, history = parts.task.network, History(run.path / "metrics.csv")
    weights = work / "weights.safetensors"
    if not weights.exists():
        fit(parts, config, work / "training.pt")
        # A matrix's half precision is more than the 8 bits that are kept of it in the end.
        halved = {
            name: value.half() if value.ndim > 1 else value for name, value in network.state_dict().items()
        }
        save_file({name: value.contiguous().cpu() for name, value in halved.items()}, weights)
    network.to("cpu").load_state_dict(load_file(weights))
    if (work / "training.pt").exists():
        history.rows = torch.load(work / "training.pt", map_location="cpu", weights_only=True)["rows"]
    run.best.parent.mkdir(exist_ok=True)
    torch.save({"state_dict": parts.task.state_dict()}, run.best)  # what export takes the weights from
    finish_run(run, data, config, machine, parts, content, history)


def fit(parts: Parts, config: TrainConfig, checkpoint: Path) -> None:
    """Train the network, going on from a checkpoint where there is one, which keeps a row an epoch."""
    network, loss = parts.task.network.to(DEVICE).train(), parts.task.loss.to(DEVICE)
    images, masks = whole(parts.batches.train)
    optimizer = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    batches, rows = len(images) // config.batch_size, []
    if not batches:
        raise SystemExit(
            f"{len(images)} cells to train on; give --count so that a batch has its {config.batch_size}"
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
                value = loss(network(scaled(turned(images[chosen]))), turned(masks[chosen]))
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


def whole(data: TrainingData) -> tuple[Tensor, Tensor]:
    """All images ``(N, S, S) uint8`` and masks ``(N, S, S) uint8``, on the device that trains."""
    images, masks = zip(*(data[i] for i in range(len(data))), strict=True)
    return torch.cat(images).to(DEVICE), torch.stack(masks).to(DEVICE)


def scaled(images: Tensor) -> Tensor:
    """What the network takes, ``(N, 1, S, S)`` from 0 to 1."""
    return (images[:, None].float() / 255).contiguous(memory_format=torch.channels_last)


def turned(batch: Tensor) -> Tensor:
    """Every eighth of a batch in each of the ways; the same for images and for masks."""
    parts = []
    for way in range(WAYS):
        part = batch[way::WAYS]
        parts.append(torch.rot90(part.flip(2) if way >= WAYS // 2 else part, way % 4, (1, 2)))
    return torch.cat(parts)


@torch.no_grad()
def score(parts: Parts, config: TrainConfig) -> float:
    """IoU of the val split, mean over the classes but the background."""
    network, measure = parts.task.network.eval(), ForegroundIoU(6).to(DEVICE)
    images, masks = whole(parts.batches.val)
    for start in range(0, len(images), config.batch_size):
        some = slice(start, start + config.batch_size)
        with torch.autocast(DEVICE, torch.bfloat16):
            measure.update(network(scaled(images[some])).argmax(dim=1), masks[some])
    network.train()
    return float(measure.compute())


if __name__ == "__main__":
    main()
