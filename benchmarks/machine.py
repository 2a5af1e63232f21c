"""Facts about the machine that every benchmark prints or measures."""

import platform
import sys
from importlib.metadata import version
from pathlib import Path

from solarseg.threads import count_cores

__all__ = ["describe", "peak_memory"]


def describe(*packages: str) -> str:
    """Describe processor, cores, Python and the versions of packages in one line."""
    versions = "".join(f", {name} {version(name)}" for name in packages)
    return f"{_processor()}, {count_cores()} cores, Python {platform.python_version()}{versions}"


def peak_memory() -> float | None:
    """Return the peak resident memory of this process in MiB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)  # macOS counts bytes, Linux KiB


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
