"""Digests that identify the content of a dataset, whatever its folder and the times of its files."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from solarseg.datasets.folder import FolderDataset
from solarseg.files import digest
from solarseg.threads import count_cores, map_ahead

__all__ = ["DatasetDigests", "read_digests"]


@dataclass(frozen=True)
class DatasetDigests:
    """Digests of all files of a dataset.

    Attributes:
        images: name -> digest of the image file, 16 hexadecimal digits.
        masks: name -> digest of the mask file.

    Examples:
        >>> DatasetDigests({"a": "0" * 16}, {"a": "1" * 16}).whole
        '9c9dab0317224bb6'
    """

    images: Mapping[str, str]
    masks: Mapping[str, str]

    @cached_property
    def whole(self) -> str:
        """Digest over names, images and masks, 16 hexadecimal digits."""
        found = hashlib.blake2b(digest_size=8)
        for name, image in self.images.items():
            found.update(f"{name} {image} {self.masks[name]}\n".encode())
        return found.hexdigest()


def read_digests(data: FolderDataset) -> DatasetDigests:
    """Read every file of a dataset once, without decoding it."""
    threads = count_cores()
    images, masks = (
        dict(
            zip(
                data.names,
                map_ahead(digest, map(path, data.names), threads=threads, ahead=2 * threads),
                strict=True,
            )
        )
        for path in (data.image_path, data.mask_path)
    )
    return DatasetDigests(images, masks)
