"""Which backend is quickest on this machine, for each model: what ``solarseg benchmark --save`` found.

It stands in the user's own folder of settings, by model and by processor, since a home folder may be shared by
machines.
"""

import json
import os
import platform
from pathlib import Path

from platformdirs import user_config_path

from solarseg.files import write_json
from solarseg.inference.backends import BACKENDS

__all__ = ["recall", "remember", "settings_file"]


def settings_file() -> Path:
    """Return the path of the file; the environment variable ``SOLARSEG_SETTINGS`` names another folder."""
    folder = os.environ.get("SOLARSEG_SETTINGS")
    return (Path(folder) if folder else user_config_path("solarseg", appauthor=False)) / "backends.json"


def remember(fingerprint: str, device: str, backend: str) -> None:
    """Note the quickest backend for a model.

    Raises:
        OutputError: the file could not be written.
    """
    write_json(settings_file(), {**_read(), _key(fingerprint, device): backend})


def recall(fingerprint: str, device: str) -> str | None:
    """Give the backend that was noted for a model, or None."""
    backend = _read().get(_key(fingerprint, device))
    return backend if backend in BACKENDS else None


def _key(fingerprint: str, device: str) -> str:
    return f"{fingerprint} on {platform.node()}, {platform.machine()}, {os.cpu_count()} cores, {device}"


def _read() -> dict[str, str]:
    try:
        found = json.loads(settings_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
