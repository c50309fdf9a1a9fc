"""The house keeps its shape: which room may import which, no circles, few levels, short modules. See docs/design.md."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "unsupervised_learning"
MODELS = ("autoencoder", "vae", "gan")
MOST_LINES = 400
MOST_LEVELS = 9

# Room → the rooms that its modules may import, beside their own and the ground floor. "models" are the modules at the root;
# "runs" is original/runs.py, the table of 2016's settings and numbers, which stands below all that looks things up in it.
GROUND = {"errors", "atomic_files", "start", "runs"}
ARROWS: dict[str, set[str]] = {
    **{room: set() for room in (*GROUND, "models", "data", "figures")},
    "evaluation": {"models", "data"},
    "monitoring": {"models", "data", "figures", "evaluation"},
    "training": {"models", "data", "monitoring"},
    "original": {"models", "data", "figures", "evaluation", "monitoring", "training"},
    "reproduce": {"models", "data", "figures", "evaluation", "monitoring", "training", "original"},
}
ARROWS["compare"] = ARROWS["reproduce"] | {"reproduce"}
ARROWS["explore"] = ARROWS["compare"] | {"compare"}


def modules() -> dict[str, Path]:
    """Dotted name → file, of every module of the package that has code."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports() -> dict[str, set[str]]:
    """Module → the package's modules that it imports anywhere in its text, functions and TYPE_CHECKING included."""
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
    """The room that a module is in."""
    parts = module.split(".")[1:]
    if parts == ["original", "runs"]:
        return "runs"
    if len(parts) > 1 or (ROOT / PACKAGE / parts[0]).is_dir():
        return parts[0]
    return parts[0] if parts[0] in GROUND else "models"


def levels() -> dict[str, int]:
    """Module → the longest way down from it, in imports. Fails on a circle."""
    found: dict[str, int] = {}

    def level(module: str, above: tuple[str, ...] = ()) -> int:
        assert module not in above, f"a circle of imports: {' → '.join((*above[above.index(module) :], module))}"
        if module not in found:
            found[module] = 1 + max((level(target, (*above, module)) for target in imports()[module]), default=0)
        return found[module]

    for module in imports():
        level(module)
    return found


def test_imports_make_no_circle_and_few_levels():
    deepest = max(levels().items(), key=lambda item: item[1])
    assert deepest[1] <= MOST_LEVELS, deepest


@pytest.mark.parametrize("module", [name for name in modules() if name != PACKAGE])
def test_arrows_point_as_the_design_says(module):
    mine = room(module)
    others = {room(target) for target in imports()[module]} - {mine}
    allowed = ARROWS[mine] | (set() if mine in ("models", *GROUND) else GROUND)
    assert others <= allowed, f"{module} imports from {sorted(others - allowed)}"


@pytest.mark.parametrize("model", MODELS)
def test_a_model_imports_nothing_but_layers_and_losses(model):
    allowed = {f"{PACKAGE}.{name}" for name in ("layers", "losses", *(("gan_networks",) if model == "gan" else ()))}
    assert imports()[f"{PACKAGE}.{model}"] <= allowed


@pytest.mark.parametrize("path", modules().values(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_go(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES
