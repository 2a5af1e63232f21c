"""Making the most of the machine: arithmetic precision and memory."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

__all__ = ["LightningPrecision", "choose_precision", "keep_freed_memory"]

LightningPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]
_ASKED: dict[str, LightningPrecision] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def choose_precision(asked: str, accelerator: str = "auto") -> LightningPrecision:
    """Return Lightning's name of a precision.

    Args:
        asked: ``"32"``, ``"bf16"``, ``"16"``, or ``"auto"``: bfloat16 where the processor computes with it,
            float16 on older GPUs, float32 on other CPUs, which would only emulate bfloat16 and be slower.
        accelerator: ``"auto"``, ``"cpu"`` or ``"gpu"``.

    >>> choose_precision("bf16")
    'bf16-mixed'
    """
    if asked != "auto":
        return _ASKED[asked]
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if _cpu_has_bf16() else "32-true"


def _cpu_has_bf16() -> bool:
    # torch has no public name for this yet; without it we stay on the safe side.
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


# mallopt(3): parameters and their defaults.
_M_TRIM_THRESHOLD, _DEFAULT_TRIM = -1, 128 * 1024
_M_MMAP_MAX, _DEFAULT_MMAPS = -4, 65536
_NEVER = 2**31 - 1


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Let glibc keep freed memory inside the block and give it back at its end; elsewhere do nothing.

    A training step on CPU frees and asks again for the same hundreds of megabytes. By default the C library
    hands blocks above 32 MB back to the kernel at once and gets them again page by page, each page zeroed
    and faulted in. Told to keep them, steps run about 1.2 times as fast (benchmarks/train_step.py).
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_MAX, _DEFAULT_MMAPS)
        libc.mallopt(_M_TRIM_THRESHOLD, _DEFAULT_TRIM)
        libc.malloc_trim(0)
