"""``solarseg models``."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]

LICENCE = "MIT, as solarseg"  # of all models in the package


def command(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show the card of this model.")] = None,
) -> None:
    """List the models that are included in solarseg, or show the card of one.

    Example: solarseg models el-cell
    """
    from solarseg.errors import ArgumentError
    from solarseg.inference.shipped import card_of, shipped_models

    if name is None:
        for each, path in shipped_models().items():
            print(_describe(each, path))
    elif name in shipped_models():
        print(card_of(name))
    else:
        raise ArgumentError(f"{name}: no such model; must be one of {', '.join(shipped_models())}")


def _describe(name: str, path: "Path") -> str:
    from solarseg.inference.model_file import read_info

    info = read_info(path)
    scores = info.scores.get("iou", {})
    intervals = info.scores.get("intervals", {}).get("iou", {})
    lines = [
        f"{name}: U-Net on {info.encoder}, {info.parameters / 1e6:.1f} M weights in {info.precision}, "
        f"{path.stat().st_size / 1e6:.1f} MB",
        f"  licence      {LICENCE}",
        f"  trained on   {info.dataset} ({info.licence or 'licence not stated'}), images of {info.image_size} pixels",
        f"  fingerprint  {info.fingerprint}",
        "  IoU on images that were not used for training, with 95% interval:",
    ]
    for each in info.class_names:
        found = intervals.get(each, {})
        interval = f"  ({found['low']:.3f} to {found['high']:.3f})" if found else ""
        lines.append(f"    {each:<20} {scores[each]:.3f}{interval}" if each in scores else f"    {each}")
    return "\n".join([*lines, f"  more: solarseg models {name}"])
