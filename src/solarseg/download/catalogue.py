"""The catalogue of public datasets that `download` can fetch.

Files, sizes, checksums and the licence are requested from the source when a dataset is downloaded. What is not known
without that is ``None``, and the entry says so.
"""

from dataclasses import dataclass

from solarseg.errors import ArgumentError

__all__ = ["CATALOGUE", "NOT_COVERED", "PublicDataset", "find_public_dataset"]

NOT_COVERED = (
    "We know of no public masks with a clear licence for defects in colour photographs or thermal images. Use your own "
    "labels: see docs/guides/labels.md."
)


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset.

    Attributes:
        name: name for `download`.
        title: title given by its authors.
        shows: content of the images.
        task: ``"segmentation"``, or ``"classification"`` if it has no masks.
        classes: class names, as far as its authors list them.
        samples: number of samples, ``None`` if unknown.
        size: approximate size of the download, as text.
        licence: what we know of the licence, as text; the source decides.
        citation: publications to cite.
        page: web page about the dataset.
        host: type of the server, one of `solarseg.download.listing.HOSTS`.
        address: URL of the list of files; for GitHub, of the archive itself.
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


CATALOGUE: tuple[PublicDataset, ...] = (
    PublicDataset(
        name="glosofarid",
        title="GloSoFarID: Global multispectral dataset for Solar Farm IDentification in satellite imagery",
        shows="solar farms in Sentinel-2 tiles, 256x256, 13 bands, 10 m per pixel, 2021 to 2023",
        task="segmentation",
        classes=("background", "solar_panel"),
        samples=13_703,
        size="unknown; about 24 GB after conversion with the authors' program",
        licence="unknown; download shows what the source states",
        citation="Yang, Rad: GloSoFarID: Global multispectral dataset for Solar Farm IDentification in "
        "satellite imagery, arXiv:2404.05180, 2024",
        page="https://zenodo.org/records/10939100",
        host="zenodo",
        address="https://zenodo.org/api/records/10939100",
        note="Solar farms, not defects. Five gzip TFRecord files, one per year and region: --files '*us*' selects "
        "two. About half of the tiles contain no panel, and many show one place in different years: split by "
        "groups. Tiles of one farm overlap partly, which groups do not cover: scores are upper bounds.",
    ),
    PublicDataset(
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
        note="Panels, not defects. PV01 is one file (--files 'PV01*'); PV03 and PV08 are archives split into "
        "several files, and all are needed (--files 'PV03*'). Mask values above 0 are types of sites; "
        "all are panels. Tiles of one site touch: split by groups.",
    ),
    PublicDataset(
        name="duramat-cracks",
        title="A Benchmark for Crack Segmentation in Electroluminescence Images",
        shows="EL images of solar cells",
        task="segmentation",
        classes=("crack", "cross crack", "busbar", "dark area"),
        samples=None,
        size="unknown",
        licence="unknown; download shows what the source states",
        citation="Chen, Karin, Libby, Deceglie, Hacke, Silverman, Gabor, Jain: A Benchmark for Crack "
        "Segmentation in Electroluminescence Images, 2022, doi:10.21948/1871275",
        page="https://datahub.duramat.org/dataset/crack-segmentation",
        host="ckan",
        address="https://datahub.duramat.org/api/3/action/package_show?id=crack-segmentation",
        note="The number of samples is unknown. Cells of one module must be in one split: split by groups.",
    ),
    PublicDataset(
        name="multisolsegment",
        title="MultiSolSegment: training images and masks",
        shows="EL images of mono-crystalline solar cells",
        task="segmentation",
        classes=("dark area", "busbar", "crack", "non-cell"),
        samples=2_340,
        size="unknown",
        licence="unknown; download shows what the source states",
        citation="Sanghi, Jost, Pierce, Cooper, Deane, Braid: MultiSolSegment: Multi-channel segmentation of "
        "overlapping features in electroluminescence images of photovoltaic cells, arXiv:2603.13337, 2026; "
        "data: doi:10.21948/2587738",
        page="https://doi.org/10.21948/2587738",
        host="ckan",
        address="https://datahub.duramat.org/api/3/action/package_show?id=5e7587ad-6ad1-4d6f-8432-70940a6d7ca1",
        note="The number of samples is from the paper. Classes overlap: a pixel may be both crack and busbar. The "
        "authors store masks as NumPy arrays with one channel per class, which solarseg cannot read.",
    ),
    PublicDataset(
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
        note="No masks: each cell has a probability of being defective (0, 1/3, 2/3 or 1). Not for commercial use, "
        "and not to train weights that are part of a product.",
    ),
    PublicDataset(
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
        licence="none stated, which gives no right to use it: ask the authors",
        citation="Pratt, Mattheus, Klein: A benchmark dataset for defect detection and classification in "
        "electroluminescence images of PV modules using semantic segmentation, Systems and Soft Computing 5, "
        "200048, 2023; for dataset_20211104: Pratt, Govender, Klein: Defect detection and quantification in "
        "electroluminescence images of solar PV modules using U-net semantic segmentation, Renewable "
        "Energy 178, 1211-1222, 2021",
        page="https://github.com/TheMakiran/BenchmarkELimages",
        host="github",
        address="https://codeload.github.com/TheMakiran/BenchmarkELimages/zip/refs/heads/main",
        note="The number of samples is from the paper; classes are those of dataset_20211104. The archive also "
        "contains later, larger releases with more classes. Training folders contain flipped and rotated "
        "copies of their own images, and modules span the folders: split by groups. Masks are colour-coded, "
        "with a CSV file of RGB codes, and also given as class ids. Some images are from ELPV (CC BY-NC-SA "
        "4.0): do not train on one dataset and test on the other.",
    ),
)


def find_public_dataset(name: str) -> PublicDataset:
    """Return a dataset of the catalogue.

    Raises:
        ArgumentError: the name is unknown; the message lists all names.

    Examples:
        >>> find_public_dataset("elpv").samples
        2624
        >>> find_public_dataset("elvp")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: `name='elvp'`: must be one of glosofarid, pv-multires, ...
    """
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    raise ArgumentError(f"`name={name!r}`: must be one of {', '.join(entry.name for entry in CATALOGUE)}")
