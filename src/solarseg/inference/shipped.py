"""Models that come with the package, each ``NAME.onnx`` with its card ``NAME.md`` next to it."""

from pathlib import Path

__all__ = ["card_of", "shipped_models"]

_FOLDER = Path(__file__).parent.parent / "models"


def shipped_models() -> dict[str, Path]:
    """Model files by name.

    Examples:
        >>> [path.suffix for path in shipped_models().values()]
        ['.onnx']
    """
    return {file.stem: file for file in sorted(_FOLDER.glob("*.onnx"))}


def card_of(name: str) -> str:
    """What a person should know of a model before using it, as Markdown."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
