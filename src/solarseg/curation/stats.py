"""Statistics of a dataset folder, as numbers and as pictures."""

from pathlib import Path

from solarseg.curation.sample_sheet import choose_samples, draw_sheet
from solarseg.curation.statistics import Statistics, summarise
from solarseg.curation.statistics_figure import draw_statistics
from solarseg.curation.survey import survey_dataset
from solarseg.datasets import FolderDataset, open_dataset
from solarseg.files import check_folder, write_text

__all__ = ["stats"]

_SHOWN = 24  # samples on the sheet


def stats(
    dataset: FolderDataset | Path | str,
    *,
    out: Path | str | None = None,
    groups: Path | str | None = None,
    group_regex: str | None = None,
    progress: bool = False,
) -> Statistics:
    """Measure a dataset folder, and draw the result.

    Args:
        dataset: folder with ``images/`` and ``masks/``, or what `open_dataset` returned.
        out: folder for ``statistics.json``, ``statistics.png`` and ``samples.png``; None to write nothing.
        groups: CSV of ``name,group``; by default ``groups.csv`` in the folder.
        group_regex: pattern that finds the group in a name.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: ``groups`` and ``group_regex`` are both given, or the pattern is not valid.
        DataError: the folder is no dataset, or no sample can be read.
        OutputError: a file could not be written.
    """
    if out is not None:
        check_folder(Path(out))
    data = open_dataset(dataset, groups=groups, group_regex=group_regex)
    survey = survey_dataset(data, regions=True, progress=progress)
    found = summarise(survey)
    if out is not None:
        folder = Path(out)
        write_text(folder / "statistics.json", found.model_dump_json(indent=2) + "\n")
        draw_statistics(found, folder / "statistics.png")
        shares = {one.name: one.pixels / max(1, one.pixels.sum()) for one in survey.samples}
        names = choose_samples(shares, _SHOWN)
        title = f"{data.root.resolve().name}: {len(names)} of {found.images} samples"
        draw_sheet(data, names, folder / "samples.png", title)
    return found
