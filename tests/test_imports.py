"""The direction of the house's imports: no circles, no path tricks, nothing from above."""

import ast
import importlib.metadata
import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.helpers import REPOSITORY

# A room and what it may not import; all names are prefixes of modules. `scripts` are the files of train/ itself.
LIBRARY_ROOMS = ("faces", "runtime", "video", "cli", "predictor", "loading", "results", "comparison", "remote_code")
FORBIDDEN = {
    "grefel_hf": ("scripts", "grefel_train", "space", "app"),
    "space": ("scripts", "grefel_train", "app", "grefel_hf.cli"),
    "scripts": ("space", "app", "grefel_hf.cli"),
    "grefel_train": ("space", "app", "scripts", "grefel_hf.cli"),
    "grefel_hf.model": tuple(f"grefel_hf.{room}" for room in (*LIBRARY_ROOMS, "files", "version", "palette")),
    "grefel_hf.faces": tuple(f"grefel_hf.{room}" for room in LIBRARY_ROOMS if room != "faces"),
    "grefel_hf.runtime": tuple(f"grefel_hf.{room}" for room in ("predictor", "cli", "video")),
    "grefel_hf.video": ("grefel_hf.cli",),
    "grefel_hf.predictor": ("grefel_hf.cli", "grefel_hf.video"),
}
PATH_TRICK = re.compile(r"sys\.path\b|\bsite\.addsitedir\b|from sys import .*\bpath\b|__import__\(")


def modules() -> dict[str, Path]:
    """The program's files by module name; a script train/x.py is `scripts.x`."""
    found = {"app": REPOSITORY / "app.py"}
    roots = {"grefel_hf": "grefel_hf", "space": "space", "train/grefel_train": "grefel_train"}
    for folder, package in roots.items():
        for file in (REPOSITORY / folder).rglob("*.py"):
            parts = file.relative_to(REPOSITORY / folder).with_suffix("").parts
            found[".".join((package, *(part for part in parts if part != "__init__")))] = file
    return found | {f"scripts.{file.stem}": file for file in (REPOSITORY / "train").glob("*.py")}


def imported(module: str, file: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the program that a file imports, at its top or within a function, but not for type checkers alone."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names = set()
    for node in running(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: 1 - node.level or None] if node.level else []
            source = ".".join((*base, *filter(None, [node.module])))
            names |= {f"{source}.{alias.name}" for alias in node.names}
    names |= {f"scripts.{name}" for name in names if f"scripts.{name.partition('.')[0]}" in known}
    return {found for name in names if (found := longest_known(name, known))} - {module}


def longest_known(name: str, known: dict[str, Path]) -> str | None:
    """`a.b` for `a.b.C`."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def running(node: ast.AST):
    """The nodes below one, without what `if TYPE_CHECKING` holds."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield child
            yield from running(child)


def is_within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    known = modules()
    return {module: imported(module, file, known) for module, file in known.items()}


def test_all_rooms_are_walked(imports):
    assert "grefel_hf.faces.face" in imports["grefel_hf.faces.cropping"]
    assert "grefel_hf.model.modeling_grefel" in imports["grefel_hf.runtime.graph"]
    assert "grefel_hf.loading" in imports["scripts.calibrate"] and "space.page" in imports["app"]
    assert any(is_within(module, "grefel_train.data") for module in imports["scripts.train"])
    for room in FORBIDDEN:
        assert any(is_within(module, room) for module in imports), room


def test_nothing_is_imported_in_a_circle(imports):
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail("a circle of imports: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize("room", FORBIDDEN)
def test_nothing_is_imported_from_above(room, imports):
    wrong = [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in others
        if is_within(module, room) and any(is_within(other, above) for above in FORBIDDEN[room])
    ]
    assert not wrong


def test_what_travels_to_the_hub_imports_siblings_only():
    """transformers copies the files beside a model's own, found by `from .name import`."""
    for file in (REPOSITORY / "grefel_hf" / "model").glob("*.py"):
        for node in running(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1 and (file.parent / f"{node.module}.py").exists(), f"{file.name}:{node.lineno}"
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
            )
            assert not any(name and name.startswith("grefel_hf") for name in names), f"{file.name}:{node.lineno}"


def test_no_file_changes_where_imports_are_looked_for():
    files = [*modules().values(), *(REPOSITORY / "tests").rglob("*.py")]
    allowed = {
        Path(__file__),
        REPOSITORY / "tests" / "helpers" / "fsdp_on_cpu.py",
    }  # the latter stands in for a launcher
    tricks = [
        f"{file.relative_to(REPOSITORY)}:{number}"
        for file in files
        if file not in allowed
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if PATH_TRICK.search(line)
    ]
    assert not tricks


def test_what_is_imported_is_declared(imports):
    """Packages that come along with others may stay away tomorrow."""
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    declared = {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in lines}
    owners = importlib.metadata.packages_distributions()
    missing = set()
    for module, file in modules().items():
        for node in running(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for top in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names):
                found = {owner.lower().replace("_", "-") for owner in owners.get(top, [])}
                if found and not found & (declared | {"grefel-hf"}):
                    missing.add((module, top))
    assert missing == set()
