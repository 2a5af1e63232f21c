"""The fastest backend of this machine for each model, as ``solarseg benchmark --save`` stored it.

The file is in the user's settings folder. Its keys name model and processor, since machines may share a home folder.
"""

import json
import os
import platform
from pathlib import Path

from platformdirs import user_config_path

from solarseg.errors import ArgumentError, OutputError
from solarseg.files import check_file, write_json
from solarseg.inference.backends import BACKENDS
from solarseg.threads import count_cores

__all__ = ["check_settings_folder", "read_preferred_backend", "settings_file", "store_preferred_backend"]


def settings_file() -> Path:
    """Return the path of the file; the environment variable ``SOLARSEG_SETTINGS`` names another folder."""
    folder = os.environ.get("SOLARSEG_SETTINGS")
    return (Path(folder) if folder else user_config_path("solarseg", appauthor=False)) / "backends.json"


def check_settings_folder() -> None:
    """Raise `OutputError` if `store_preferred_backend` could not write its file."""
    try:
        check_file(settings_file())
    except (ArgumentError, OutputError) as error:
        raise OutputError(f"{error}; SOLARSEG_SETTINGS names another folder") from error


def store_preferred_backend(fingerprint: str, device: str, backend: str) -> None:
    """Store the backend to use for a model.

    Args:
        fingerprint: of the model.
        device: ``"cpu"`` or ``"cuda"``.
        backend: its name.

    Raises:
        OutputError: the file could not be written.
    """
    write_json(settings_file(), {**_read(), _key(fingerprint, device): backend})


def read_preferred_backend(fingerprint: str, device: str) -> str | None:
    """Return the backend that was stored for a model, or None."""
    backend = _read().get(_key(fingerprint, device))
    return backend if backend in BACKENDS else None


def _key(fingerprint: str, device: str) -> str:
    return f"{fingerprint} on {platform.node()}, {platform.machine()}, {count_cores()} cores, {device}"


def _read() -> dict[str, str]:
    try:
        found = json.loads(settings_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
