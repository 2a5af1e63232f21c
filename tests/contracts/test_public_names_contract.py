"""Two public things never share a name."""

import ast
from collections import defaultdict
from pathlib import Path

import solarseg

# Modules of one kind have these names in common, and are used by them: formats, backends and commands.
SHARED = {"READER", "app", "command", "open_model", "write"}


def defined_public_names(source: str) -> set[str]:
    """Return the names in ``__all__`` that a module defines itself."""
    public: set[str] = set()
    defined: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                defined.add(target.id)
                if target.id == "__all__":
                    public = set(ast.literal_eval(node.value))
    return public & defined


def test_public_names_are_unique():
    package = Path(solarseg.__file__).parent
    modules = defaultdict(list)
    for file in sorted(package.rglob("*.py")):
        for name in defined_public_names(file.read_text(encoding="utf-8")):
            modules[name].append(str(file.relative_to(package)))
    shared = {name: files for name, files in modules.items() if len(files) > 1}
    assert {name: files for name, files in shared.items() if name not in SHARED} == {}
    assert shared.keys() == SHARED  # a name that is not shared any more must leave the list
