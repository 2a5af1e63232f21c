"""Check file names that come from a server or an archive."""

__all__ = ["unsafe_name_reason"]

_MAX_BYTES = 200  # file systems allow 255, and we may add a suffix
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))}
)


def unsafe_name_reason(name: str) -> str | None:
    """Return why the name of a file or folder is unsafe, or ``None`` if it is safe.

    A safe name stays in its folder on every operating system.

    Examples:
        >>> unsafe_name_reason("PV01.zip")
        >>> unsafe_name_reason("..")
        'points outside its folder'
        >>> unsafe_name_reason("a/b")
        'contains a slash, a backslash or a colon'
    """
    checks = (
        (name == "..", "points outside its folder"),
        (name in ("", "."), "is not a file name"),
        # Control characters, lone surrogates, and characters that change the writing direction.
        (not name.isprintable(), "contains characters that cannot be printed"),
        (any(character in name for character in "/\\:"), "contains a slash, a backslash or a colon"),
        (name.endswith((".", " ")), "ends with a dot or a space"),
        (name.partition(".")[0].strip().lower() in _DEVICES, "is the name of a device on Windows"),
        (len(name.encode(errors="replace")) > _MAX_BYTES, f"is longer than {_MAX_BYTES} bytes"),
    )
    return next((reason for applies, reason in checks if applies), None)
