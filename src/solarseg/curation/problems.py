"""The kinds of things that may be wrong with a dataset folder."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["KINDS", "Problem"]

# kind -> whether it is an error, which must be fixed, or something to know of.
KINDS: Mapping[str, bool] = {
    "no mask": True,
    "no image": True,
    "bad image": True,
    "bad mask": True,
    "no classes": True,
    "other bands": True,
    "other numbers": True,
    "copy with another mask": True,
    "nothing to train on": True,
    "not in split": True,
    "group in several splits": True,
    "copy in another split": True,
    "divided group": False,
    "not in dataset": False,
    "class missing": False,
    "other depth": False,
    "constant image": False,
    "full mask": False,
    "all ignored": False,
    "copy": False,
    "near copy with another mask": False,
    "empty mask": False,
    "left out": False,
}


@dataclass(frozen=True)
class Problem:
    """Something wrong, or to know of.

    Attributes:
        kind: one of `KINDS`.
        where: the file, the group or the split.
        what: what is wrong, in a few words.
    """

    kind: str
    where: str
    what: str

    @property
    def is_error(self) -> bool:
        """Whether it must be fixed before a training."""
        return KINDS[self.kind]
