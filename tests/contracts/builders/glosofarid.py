"""GloSoFarID by hand: protobuf's own messages, framed with struct, compressed by Python's gzip."""

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from solarseg.classes import ClassMap
from solarseg.datasets.sample import Sample

EXACT = True
CLASSES = ClassMap(("background", "solar_panel"))
BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
STEM = "solar_2023_us"


def _samples() -> list[Sample]:
    y, x = np.mgrid[:256, :256]
    masks = np.stack([np.zeros_like(y), (y // 40 + x // 30) % 2, y * x % 7 == 0]).astype(np.uint8)
    return [
        Sample(
            np.stack([(y * band + x * place) % 10_001 for band in range(1, 14)], -1).astype(np.uint16),
            mask,
            f"{STEM}_{place:05}",
            f"{STEM}_{place:05}",
        )
        for place, mask in enumerate(masks, start=1)
    ]


SAMPLES = _samples()


def example_type() -> Any:
    """The message type of tf.train.Example, made from its definition (tensorflow/core/example/feature.proto)."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tf", syntax="proto3")

    def message(parent: Any, name: str, *fields: tuple[Any, ...]) -> Any:
        added = parent.add(name=name)
        for number, (field, label, kind, type_name) in enumerate(fields, start=1):
            added.field.add(name=field, number=number, label=label, type=kind, type_name=type_name)
        return added

    one, many = kinds.LABEL_OPTIONAL, kinds.LABEL_REPEATED
    message(file.message_type, "BytesList", ("value", many, kinds.TYPE_BYTES, None))
    message(file.message_type, "FloatList", ("value", many, kinds.TYPE_FLOAT, None))
    message(file.message_type, "Int64List", ("value", many, kinds.TYPE_INT64, None))
    feature = message(
        file.message_type,
        "Feature",
        ("bytes_list", one, kinds.TYPE_MESSAGE, ".tf.BytesList"),
        ("float_list", one, kinds.TYPE_MESSAGE, ".tf.FloatList"),
        ("int64_list", one, kinds.TYPE_MESSAGE, ".tf.Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    features = message(
        file.message_type, "Features", ("feature", many, kinds.TYPE_MESSAGE, ".tf.Features.FeatureEntry")
    )
    entry = message(
        features.nested_type,
        "FeatureEntry",
        ("key", one, kinds.TYPE_STRING, None),
        ("value", one, kinds.TYPE_MESSAGE, ".tf.Feature"),
    )
    entry.options.map_entry = True
    message(file.message_type, "Example", ("features", one, kinds.TYPE_MESSAGE, ".tf.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tf.Example"))


def example(sample: Sample) -> bytes:
    message = example_type()()
    for place, band in enumerate(BANDS):
        message.features.feature[band].float_list.value.extend(sample.image[..., place].ravel().tolist())
    message.features.feature["solar_panel"].float_list.value.extend(sample.mask.ravel().tolist())
    return message.SerializeToString()


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def build(folder: Path, samples: Sequence[Sample], classes: ClassMap) -> Path:
    content = b"".join(record(example(sample)) for sample in samples)
    (folder / f"{STEM}.tfrecord.gz").write_bytes(gzip.compress(content, 1))
    return folder


def damage(path: Path) -> None:
    """Flip a bit in the middle of the first record's data."""
    file = path / f"{STEM}.tfrecord.gz"
    content = bytearray(gzip.decompress(file.read_bytes()))
    content[1_000_000] ^= 1
    file.write_bytes(gzip.compress(content, 1))
