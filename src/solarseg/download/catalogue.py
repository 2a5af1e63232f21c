"""The public data sets that `download` can fetch, and what is known of each.

What is not known without asking the source stays None, and the entry says so: files, sizes and checksums are
asked for when a set is downloaded, and so is the licence that the source states.
"""

from dataclasses import dataclass

from solarseg.errors import ArgumentError

__all__ = ["CATALOGUE", "NOT_COVERED", "PublicSet", "find_set"]

NOT_COVERED = (
    "For defects on colour photographs and on thermal images, no public set of masks with a clear licence is "
    "known. Bring your own labels: docs/guides/labels.md says how."
)


@dataclass(frozen=True)
class PublicSet:
    """A public data set.

    Attributes:
        name: to download it by.
        title: as its authors call it.
        shows: what is on the images.
        task: ``"segmentation"``, or ``"classification"`` where it has no masks.
        classes: their names, as far as its authors list them.
        samples: how many; None where that is not known.
        size: of the download, roughly, in words; exact sizes are the source's to say.
        licence: what is known of it, in words; the source has the last one.
        citation: what to cite.
        page: where a person reads about it.
        host: who holds the files: one of `solarseg.download.listing.HOSTS`.
        address: what is asked for the list of files; for GitHub, the archive itself.
        note: what to know before using it.
    """

    name: str
    title: str
    shows: str
    task: str
    classes: tuple[str, ...]
    samples: int | None
    size: str
    licence: str
    citation: str
    page: str
    host: str
    address: str
    note: str


CATALOGUE: tuple[PublicSet, ...] = (
    PublicSet(
        name="glosofarid",
        title="GloSoFarID: Global multispectral dataset for Solar Farm IDentification in satellite imagery",
        shows="solar farms in Sentinel-2 tiles, 256x256, 13 bands, 10 m per pixel, 2021 to 2023",
        task="segmentation",
        classes=("background", "solar_panel"),
        samples=13_703,
        size="not known here; converted by its authors' program it takes about 24 GB",
        licence="not known here; the download says what the record states",
        citation="Yang, Rad: GloSoFarID: Global multispectral dataset for Solar Farm IDentification in "
        "satellite imagery, arXiv:2404.05180, 2024",
        page="https://zenodo.org/records/10939100",
        host="zenodo",
        address="https://zenodo.org/api/records/10939100",
        note="Solar farms, not defects. Five gzip TFRecord files, one a year and region: --files '*us*' takes "
        "two. About half of the tiles hold no panel, and many show one place in different years: split by "
        "groups. Tiles of one farm overlap by parts, which no group tells: scores are upper bounds.",
    ),
    PublicSet(
        name="pv-multires",
        title="Multi-resolution dataset for photovoltaic panel segmentation from satellite and aerial imagery",
        shows="panels on aerial and satellite images: PV01 0.1 m (rooftops), PV03 0.3 m, PV08 0.8 m per pixel",
        task="segmentation",
        classes=("background", "solar panel"),
        samples=3_716,
        size="PV01 0.1 GB, PV03 about 7 GB, PV08 over 1 GB",
        licence="CC BY 4.0",
        citation="Jiang, Yao, Lu, Qin, Liu, Liu, Zhou: Multi-resolution dataset for photovoltaic panel "
        "segmentation from satellite and aerial imagery, Earth Syst. Sci. Data 13, 5389, 2021, "
        "doi:10.5194/essd-13-5389-2021",
        page="https://zenodo.org/records/5171712",
        host="zenodo",
        address="https://zenodo.org/api/records/5171712",
        note="Panels, not defects. PV01 is one file (--files 'PV01*'); PV03 and PV08 are archives in several files, "
        "of which all are needed (--files 'PV03*'). Mask values above 0 tell the kind of site; all are panels. "
        "Tiles of one site touch: split by groups.",
    ),
    PublicSet(
        name="duramat-cracks",
        title="A Benchmark for Crack Segmentation in Electroluminescence Images",
        shows="EL images of solar cells",
        task="segmentation",
        classes=("crack", "cross crack", "busbar", "dark area"),
        samples=None,
        size="not known here",
        licence="not known here; the download says what the record states",
        citation="Chen, Karin, Libby, Deceglie, Hacke, Silverman, Gabor, Jain: A Benchmark for Crack "
        "Segmentation in Electroluminescence Images, 2022, doi:10.21948/1871275",
        page="https://datahub.duramat.org/dataset/crack-segmentation",
        host="ckan",
        address="https://datahub.duramat.org/api/3/action/package_show?id=crack-segmentation",
        note="The number of samples is not known here. Cells of one module must stay in one split: split by groups.",
    ),
    PublicSet(
        name="multisolsegment",
        title="MultiSolSegment: training images and masks",
        shows="EL images of mono-crystalline solar cells",
        task="segmentation",
        classes=("dark area", "busbar", "crack", "non-cell"),
        samples=2_340,
        size="not known here",
        licence="not known here; the download says what the record states",
        citation="Sanghi, Jost, Pierce, Cooper, Deane, Braid: MultiSolSegment: Multi-channel segmentation of "
        "overlapping features in electroluminescence images of photovoltaic cells, arXiv:2603.13337, 2026; "
        "data: doi:10.21948/2587738",
        page="https://doi.org/10.21948/2587738",
        host="ckan",
        address="https://datahub.duramat.org/api/3/action/package_show?id=5e7587ad-6ad1-4d6f-8432-70940a6d7ca1",
        note="The number of samples is the paper's. Classes overlap: a pixel may be crack and busbar at once. "
        "The authors' own code keeps the masks as NumPy arrays of one channel a class, which no format "
        "read here covers.",
    ),
    PublicSet(
        name="elpv",
        title="A Benchmark for Visual Identification of Defective Solar Cells in Electroluminescence Imagery",
        shows="EL images of single solar cells, 300x300, of 44 modules",
        task="classification",
        classes=(),
        samples=2_624,
        size="about 0.1 GB",
        licence="CC BY-NC-SA 4.0",
        citation="Buerhop-Lutz, Deitsch, Maier, Gallwitz, Berger, Doll, Hauch, Camus, Brabec: A Benchmark for "
        "Visual Identification of Defective Solar Cells in Electroluminescence Imagery, EU PVSEC 2018, "
        "doi:10.4229/35thEUPVSEC20182018-5CV.3.15; Deitsch, Christlein, Berger, Buerhop-Lutz, Maier, Gallwitz, "
        "Riess: Automatic classification of defective photovoltaic module cells in electroluminescence images, "
        "Solar Energy 185, 455-468, 2019, doi:10.1016/j.solener.2019.02.067",
        page="https://github.com/zae-bayern/elpv-dataset",
        host="github",
        address="https://codeload.github.com/zae-bayern/elpv-dataset/zip/refs/heads/master",
        note="No masks: each cell has a probability of being defective (0, 1/3, 2/3 or 1). Not for commercial "
        "use, and not for weights that ship with a product.",
    ),
    PublicSet(
        name="el-benchmark",
        title="Benchmark datasets for defect detection in EL images of solar cells using semantic segmentation",
        shows="EL images of solar cells, 512x512, mono- and multi-crystalline",
        task="segmentation",
        classes=(
            *("bckgnd", "sp multi", "sp mono", "sp dogbone", "ribbons", "border", "text", "padding", "clamp"),
            *("busbars", "crack rbn edge", "inactive", "rings", "material", "crack", "gridline", "splice"),
            *("dead cell", "corrosion", "belt mark", "edge dark", "frame edge", "jbox", "meas artifact"),
        ),
        samples=593,
        size="several GB",
        licence="none stated, so that no right to use it is given: ask the authors",
        citation="Pratt, Mattheus, Klein: A benchmark dataset for defect detection and classification in "
        "electroluminescence images of PV modules using semantic segmentation, Systems and Soft Computing 5, "
        "200048, 2023; for dataset_20211104: Pratt, Govender, Klein: Defect detection and quantification in "
        "electroluminescence images of solar PV modules using U-net semantic segmentation, Renewable "
        "Energy 178, 1211-1222, 2021",
        page="https://github.com/TheMakiran/BenchmarkELimages",
        host="github",
        address="https://codeload.github.com/TheMakiran/BenchmarkELimages/zip/refs/heads/main",
        note="The number of samples is the paper's; classes are those of dataset_20211104. The archive holds "
        "later, larger releases with more classes too. Training folders hold flipped and "
        "turned copies of their own images, and modules span the folders: split by groups. Masks are "
        "colour-coded, with a CSV of RGB codes, and as class ids. Some images are ELPV's (CC BY-NC-SA "
        "4.0): do not test on one what was trained on the other.",
    ),
)


def find_set(name: str) -> PublicSet:
    """Return a set of the catalogue.

    Raises:
        ArgumentError: there is no set of that name; the message lists those there are.

    Examples:
        >>> find_set("elpv").samples
        2624
        >>> find_set("elvp")
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: unknown set 'elvp'; choose one of: glosofarid, pv-multires, duramat-cracks, multisolsegment, elpv, el-benchmark
    """  # noqa: E501
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    raise ArgumentError(
        f"unknown set '{name}'; choose one of: {', '.join(entry.name for entry in CATALOGUE)}"
    )
