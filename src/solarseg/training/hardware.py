"""Making the most of the machine: arithmetic precision and memory."""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only

from solarseg.errors import ArgumentError

__all__ = [
    "LightningPrecision",
    "check_launcher",
    "choose_precision",
    "is_first_process",
    "keep_freed_memory",
]

LightningPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]
_ASKED: dict[str, LightningPrecision] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def is_first_process() -> bool:
    """Whether this is the process that writes, before Lightning's trainer is there to ask.

    Lightning reads the rank from what torchrun, SLURM or its own launcher set; its own launcher gives the
    first process of each machine only the number of the machine.
    """
    node = int(os.environ.get("NODE_RANK", "0"))
    return node == 0 and (getattr(rank_zero_only, "rank", None) or 0) == 0


def check_launcher(devices: int, num_nodes: int) -> None:
    """Raise `ArgumentError` if torchrun or SLURM started another number of processes than was asked for.

    Each would take itself for the only one and train for itself into the same folder.
    """
    for launcher in (TorchElasticEnvironment, SLURMEnvironment):
        if launcher.detect():
            started = launcher().world_size()
            if started != devices * num_nodes:
                raise ArgumentError(
                    f"`devices={devices}`, `num_nodes={num_nodes}`: the launcher started {started} process(es), not "
                    f"{devices * num_nodes}; `devices` is the processes on one machine, `num_nodes` the machines"
                )
            return


def choose_precision(asked: str, accelerator: str = "auto") -> LightningPrecision:
    """Return Lightning's name of a precision.

    Args:
        asked: ``"32"``, ``"bf16"``, ``"16"``, or ``"auto"``: bfloat16 where the processor computes with it,
            float16 on older GPUs, float32 on other CPUs, which would only emulate bfloat16 and be slower.
        accelerator: ``"auto"``, ``"cpu"`` or ``"gpu"``.

    Raises:
        ArgumentError: float16 was asked for without a GPU.

    Examples:
        >>> choose_precision("bf16")
        'bf16-mixed'
    """
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    if asked == "16" and not on_gpu:
        raise ArgumentError("`precision='16'`: needs a GPU; use bf16, 32 or auto")
    if asked != "auto":
        return _ASKED[asked]
    if on_gpu:
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if _cpu_has_bf16() else "32-true"


def _cpu_has_bf16() -> bool:
    # torch has no public name for this yet; without it we stay on the safe side.
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


# mallopt(3): parameters, and what glibc's dynamic rule arrives at by itself once a process has freed a large
# block. The rule is off after the first mallopt, so that is what can be given back.
_M_TRIM_THRESHOLD, _USUAL_TRIM = -1, 64 * 1024**2
_M_MMAP_THRESHOLD, _USUAL_MMAP = -3, 32 * 1024**2
_M_MMAP_MAX, _DEFAULT_MMAPS = -4, 65536
_NEVER = 2**31 - 1


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Let glibc keep freed memory inside the block and give it back at its end; elsewhere do nothing.

    Afterwards the thresholds of the process are fixed where glibc's dynamic rule leaves them after large
    blocks were freed.

    A training step on CPU frees and asks again for the same hundreds of megabytes. By default the C library
    hands blocks above 32 MB back to the kernel at once and gets them again page by page, each page zeroed
    and faulted in. If it keeps them, steps are faster (benchmarks/train_step.py).
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
        libc.mallopt(_M_MMAP_THRESHOLD, _USUAL_MMAP)
        libc.mallopt(_M_TRIM_THRESHOLD, _USUAL_TRIM)
        libc.malloc_trim(0)
