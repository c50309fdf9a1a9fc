"""Architecture: allowed imports between folders ("rooms"), no cycles, few levels, short modules. See docs/design.md."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "unsupervised_learning"
MODELS = ("autoencoder", "vae", "gan")
MOST_LINES = 400
MOST_LEVELS = 9

# Room → rooms that its modules may import, besides their own and the ground floor. "models" are the modules at the root;
# "runs" is original/runs.py, the table of the 2016 settings and numbers, which is below all modules that use it.
GROUND = {"errors", "atomic_files", "start", "registration", "runs"}
ARROWS: dict[str, set[str]] = {
    **{room: set() for room in (*GROUND, "bases", "data", "figures")},
    "start": {"registration"},
    "models": {"bases"},
    "evaluation": {"models", "data"},
    "monitoring": {"models", "bases", "data", "figures", "evaluation"},
    "training": {"models", "data", "monitoring"},
    "original": {"models", "data", "figures", "evaluation", "monitoring", "training"},
    "reproduce": {"models", "data", "figures", "evaluation", "monitoring", "training", "original"},
}
ARROWS["compare"] = ARROWS["reproduce"] | {"reproduce"}
ARROWS["explore"] = ARROWS["compare"] | {"compare"}


def modules() -> dict[str, Path]:
    """Return dotted name → file for every non-empty module of the package."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports() -> dict[str, set[str]]:
    """Return module → modules of the package that it imports, including imports in functions and under TYPE_CHECKING."""
    known = modules()
    arrows: dict[str, set[str]] = {}
    for name, path in known.items():
        targets: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute"
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    targets.add(whole if whole in known else str(node.module))
        arrows[name] = {target for target in targets if target in known and target not in (name, PACKAGE)}
    return arrows


def room(module: str) -> str:
    """Return the room of a module."""
    parts = module.split(".")[1:]
    if parts == ["original", "runs"]:
        return "runs"
    if len(parts) > 1 or (ROOT / PACKAGE / parts[0]).is_dir():
        return parts[0]
    return parts[0] if parts[0] in GROUND else "models"


def levels() -> dict[str, int]:
    """Return module → length of its longest chain of imports. Fails on a cycle."""
    found: dict[str, int] = {}

    def level(module: str, above: tuple[str, ...] = ()) -> int:
        assert module not in above, f"a circle of imports: {' → '.join((*above[above.index(module) :], module))}"
        if module not in found:
            found[module] = 1 + max((level(target, (*above, module)) for target in imports()[module]), default=0)
        return found[module]

    for module in imports():
        level(module)
    return found


def test_imports_have_no_cycle_and_few_levels():
    deepest = max(levels().items(), key=lambda item: item[1])
    assert deepest[1] <= MOST_LEVELS, deepest


@pytest.mark.parametrize("module", [name for name in modules() if name != PACKAGE])
def test_imports_follow_the_design(module):
    mine = room(module)
    others = {room(target) for target in imports()[module]} - {mine}
    allowed = ARROWS[mine] | (set() if mine in ("models", "bases", *GROUND) else GROUND)
    assert others <= allowed, f"{module} imports from {sorted(others - allowed)}"


@pytest.mark.parametrize("model", MODELS)
def test_models_import_only_layers_losses_and_what_keras_asks(model):
    names = ("layers", "losses", *(("gan_networks",) if model == "gan" else ()))
    allowed = {f"{PACKAGE}.{name}" for name in names}
    others = {name for name in imports()[f"{PACKAGE}.{model}"] if room(name) != "bases"}
    assert others <= allowed


@pytest.mark.parametrize("path", modules().values(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_short(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", sorted((ROOT / PACKAGE).glob("*/web/*")), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_of_pages_are_short(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES
