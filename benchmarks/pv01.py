"""Make a dataset folder of the PV01 tiles, grouped by site, from the public download.

    solarseg data download pv-multires --files 'PV01*' --out downloads/pv01
    python benchmarks/pv01.py downloads/pv01 pv01-tiles [--samples 59]

PV01 (Jiang et al. 2021, Zenodo record 5171712, CC BY 4.0) has 645 tiles of 256x256 pixels of 0.1 m with masks
of solar panels. The name of a tile is its latitude and longitude in units of 0.0001 degrees (11 m). Tiles
that are at most 10 units apart belong to one site, directly or through other tiles. --samples takes whole
sites, in the order of their names, until it has at least that many tiles.
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

from rich.progress import track

from solarseg.classes import ClassMap
from solarseg.datasets.description import Description, write_description
from solarseg.files import atomic_folder, write_table
from solarseg.formats import open_source
from solarseg.images import write_image
from solarseg.masks import write_mask

APART = 10  # units of 0.0001 degrees
PLACE = re.compile(r"PV01_(\d+)_(\d+)")


def place(name: str) -> tuple[int, int]:
    """Return latitude and longitude of a tile, in units of 0.0001 degrees."""
    found = PLACE.search(name)
    if not found:
        raise SystemExit(f"{name}: not a tile of PV01; its name must contain PV01_LATITUDE_LONGITUDE")
    return int(found[1]), int(found[2])


def sites(names: Iterable[str]) -> dict[str, str]:
    """Group tiles by site.

    Returns:
        Name of the tile -> ``siteNN``, numbered by the first tile of each site in the order of names.
    """
    waiting = {name: place(name) for name in sorted(names)}
    found: dict[str, str] = {}
    number = 0
    while waiting:
        member = [next(iter(waiting))]
        while member:
            name = member.pop()
            if name not in waiting:
                continue
            y, x = waiting.pop(name)
            found[name] = f"site{number:02}"
            member += [other for other, (b, a) in waiting.items() if max(abs(y - b), abs(x - a)) <= APART]
        number += 1
    return found


def choose(site_of: dict[str, str], samples: int) -> dict[str, str]:
    """Take whole sites until there are enough tiles."""
    chosen: dict[str, str] = {}
    for site in sorted(set(site_of.values())):
        if len(chosen) >= samples:
            break
        chosen |= {name: site for name, other in site_of.items() if other == site}
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("download", type=Path, help="folder of the download")
    parser.add_argument("dataset", type=Path, help="dataset folder to make")
    parser.add_argument("--samples", type=int, default=645, help="least number of tiles (default: all)")
    options = parser.parse_args()
    entries = {
        entry.name.rpartition("/")[2]: entry
        for part in open_source(options.download).parts
        for entry in part.entries()
        if PLACE.search(entry.name)
    }
    chosen = choose(sites(entries), options.samples)
    if not chosen:
        raise SystemExit(f"{options.download}: no tiles of PV01; see --help for the download")
    classes = ClassMap(("background", "solar_panel"))
    with atomic_folder(options.dataset) as folder:
        for name in track(chosen, "writing"):
            sample = entries[name].load()
            write_image(folder / "images" / f"{name}.png", sample.image)
            write_mask(folder / "masks" / f"{name}.png", sample.mask, classes)
        write_table(folder / "groups.csv", ("name", "group"), sorted(chosen.items()))
        write_description(folder, Description(licence="CC BY 4.0"), classes)
    print(f"{len(chosen)} tiles of {len(set(chosen.values()))} sites: {options.dataset}")


if __name__ == "__main__":
    main()
