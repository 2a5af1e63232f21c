"""``solarseg data split``."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from solarseg.cli.options import Dataset, GroupRegex, Groups, Quiet
from solarseg.cli.report import counted, is_shown, report_left_out

if TYPE_CHECKING:
    from solarseg.curation.split_dataset import SplitDataset

__all__ = ["command"]


def command(
    dataset: Dataset,
    by: Annotated[
        Literal["groups", "images"],
        typer.Option(help="Keep groups in one split; images: split single images and ignore groups.csv."),
    ] = "groups",
    val: Annotated[float, typer.Option(help="Share of images for validation.")] = 0.15,
    test: Annotated[
        float | None, typer.Option(help="Share of images for testing (0.15); not with --folds.")
    ] = None,
    stratify: Annotated[
        bool, typer.Option("--stratify", help="Distribute the images of each class evenly to the splits.")
    ] = False,
    folds: Annotated[
        int | None, typer.Option(help="Number of splits for cross-validation, written to DATASET/folds.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the order of groups of equal size.")] = 0,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    search: Annotated[
        bool, typer.Option(help="Search for duplicates and near-duplicates, and keep them in one split.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier split.")] = False,
    quiet: Quiet = False,
) -> None:
    """Split a dataset without leakage; train uses the split.

    Writes DATASET/split.csv, or DATASET/folds/fold1.csv and so on with --folds.

    Example: solarseg data split my-cells --by groups --stratify --folds 5
    """
    from solarseg.curation.split_dataset import split_dataset

    done = split_dataset(
        dataset,
        by=by,
        val=val,
        test=test,
        stratify=stratify,
        folds=folds,
        seed=seed,
        groups=groups,
        group_regex=group_regex,
        search=search,
        overwrite=overwrite,
        progress=is_shown(quiet),
    )
    print("\n".join(_lines(done)))
    report_left_out(done.left_out)


def _lines(done: "SplitDataset") -> list[str]:
    images = sum(done.counts[0].values())
    name, size = done.largest
    lines = [
        f"{counted(done.groups, 'group')} kept in one split, the largest {name} with {counted(size, 'image')}"
        if done.groups < images
        else f"{counted(images, 'image')}, split as single images"
    ]
    if done.joined:
        lines.append(f"{done.joined} joined to groups with a copy or near-duplicate of the same image")
    for file, counts, shown in zip(done.files, done.counts, done.class_counts, strict=True):
        lines += ["", str(file)]
        for part, count in counts.items():
            share = count / max(1, sum(counts.values()))
            classes = "".join(f", {name} on {number:,}" for name, number in shown[part].items())
            lines.append(f"  {part:5}  {counted(count, 'image'):>14}, {share:.1%}{classes}")
    return lines
