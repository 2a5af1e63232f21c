"""The public API is what the committed snapshot says: names, parameters, annotations and defaults.

After an intended change, update the snapshot: ``.venv/bin/python tests/test_public_api.py``
"""

from collections.abc import Iterator
from pathlib import Path

import griffe

import solarseg

SNAPSHOT = Path(__file__).with_suffix(".txt")
OPTIONS_OF_TRAIN = "training.config.TrainConfig"  # ``train(**options)``
SPECIAL = ("__init__", "__call__", "__enter__", "__exit__", "__getitem__", "__iter__", "__len__")
NOT_OURS = ("model_config",)  # pydantic's


def describe() -> str:
    """Write each public name as its source declares it, then each type that these declarations use."""
    source = Path(solarseg.__file__).parents[1]
    package = griffe.load("solarseg", search_paths=[source], resolve_aliases=True, resolve_external=False)
    public = dict(_public_names(package, "solarseg", solarseg.__all__))
    blocks = [_declaration(found, path) for path, found in sorted(public.items())]

    known = {found.canonical_path for found in public.values()}
    used: dict[str, griffe.Object] = {}
    waiting = [*public.values(), package[OPTIONS_OF_TRAIN]]
    while waiting:
        found = waiting.pop()
        if found.canonical_path not in known | used.keys():
            used[found.canonical_path] = found
        waiting += [one for one in _types(package, found) if one.canonical_path not in known | used.keys()]
    blocks += [["# Types of arguments, of results and of their attributes"]]
    blocks += [_declaration(found, path) for path, found in sorted(used.items())]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _public_names(package: griffe.Object, path: str, names: list[str]) -> Iterator[tuple[str, griffe.Object]]:
    """The names of a module, and those of modules among them."""
    for name in names:
        found = _target(package[name])
        if found.is_module:
            yield from _public_names(found, f"{path}.{name}", list(map(str, found.exports or ())))
        else:
            yield f"{path}.{name}", found


def _target(found: griffe.Object | griffe.Alias) -> griffe.Object:
    return found.final_target if found.is_alias else found


def _declaration(found: griffe.Object, path: str) -> list[str]:
    """One line for the name; for a class one more for each field, in order, and then for each method."""
    if not found.is_class:
        return [_line(found, path)]
    bases = f"({', '.join(map(str, found.bases))})" if found.bases else ""
    members = _members(found)
    fields = [f"    {_line(one, one.name)}" for one in members if one.is_attribute and not _is_property(one)]
    methods = [f"    {_line(one, one.name)}" for one in members if not one.is_attribute or _is_property(one)]
    return [f"class {path}{bases}", *fields, *sorted(methods)]


def _members(found: griffe.Object) -> list[griffe.Object]:
    """What a class has in public, with what it inherits from other classes of solarseg."""
    if not found.is_class:
        return []
    members = {name: _target(one) for name, one in found.all_members.items() if name not in NOT_OURS}
    if "dataclass" in found.labels:
        members.pop("__init__", None)  # it takes the fields
    return [one for name, one in members.items() if not name.startswith("_") or name in SPECIAL]


def _is_property(found: griffe.Object) -> bool:
    return "property" in found.labels


def _line(found: griffe.Object, name: str) -> str:
    if found.is_function:
        kind = "".join(f"@{one} " for one in sorted(found.labels & {"classmethod", "staticmethod"}))
        return kind + found.signature(return_type=True, name=name)
    if not found.is_attribute:
        return name
    annotation = "" if found.annotation is None else f": {found.annotation}"
    if _is_property(found):
        return f"@property {name}{annotation}"
    # What an `__init__` assigns says nothing to callers, nor does the number of the version.
    declared = found.value is not None and (annotation or _is_alias(found))
    return f"{name}{annotation}{f' = {found.value}' if declared else ''}"


def _is_alias(found: griffe.Object) -> bool:
    """Return whether a name is a type alias, such as ``Split = Literal[...]``."""
    return found.is_attribute and found.parent.is_module and isinstance(found.value, griffe.Expr)


def _types(package: griffe.Module, found: griffe.Object) -> Iterator[griffe.Object]:
    """Classes and aliases of solarseg in the annotations of a name and of its members."""
    for one in [found, *_members(found)]:
        texts = [getattr(one, "annotation", None), getattr(one, "returns", None), *getattr(one, "bases", ())]
        texts += [parameter.annotation for parameter in one.parameters] if one.is_function else []
        texts += [one.value] if _is_alias(one) else []
        for text in texts:
            for part in text.iterate(flat=True) if isinstance(text, griffe.Expr) else ():
                path = part.canonical_path if isinstance(part, griffe.ExprName) else ""
                if path.startswith("solarseg.") and not path.rpartition(".")[2].startswith("_"):
                    yield _target(package[path.removeprefix("solarseg.")])


def test_the_public_api_is_the_snapshot():
    """If the change is intended, update the snapshot, and state in CHANGELOG.md what callers must change."""
    assert describe().splitlines() == SNAPSHOT.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    SNAPSHOT.write_text(describe(), encoding="utf-8")
