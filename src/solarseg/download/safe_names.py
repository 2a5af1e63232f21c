"""Names of files that come from elsewhere: from a server or an archive."""

__all__ = ["objection"]

_LONGEST = 200  # bytes; file systems allow 255, and a name of our own may be added
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))}
)


def objection(name: str) -> str | None:
    """Say what speaks against the name of a file or folder, if anything does.

    A name without objection stays in the folder it is put in, on every operating system.

    Examples:
        >>> objection("PV01.zip")
        >>> objection("..")
        'leads out of its folder'
        >>> objection("a/b")
        'holds a slash, a backslash or a colon'
    """
    checks = (
        (name == "..", "leads out of its folder"),
        (name in ("", "."), "names no file"),
        # Control characters, half characters, and those that turn the direction of writing.
        (not name.isprintable(), "holds characters that cannot be printed"),
        (any(character in name for character in "/\\:"), "holds a slash, a backslash or a colon"),
        (name.endswith((".", " ")), "ends with a dot or a space"),
        (name.partition(".")[0].strip().lower() in _DEVICES, "is the name of a device on Windows"),
        (len(name.encode(errors="replace")) > _LONGEST, f"is longer than {_LONGEST} bytes"),
    )
    return next((reason for applies, reason in checks if applies), None)
