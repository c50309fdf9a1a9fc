"""The package as it is installed: its metadata, what wheel and source distribution contain, the exact versions."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from absl import app, flags
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import train_ae
from tests.support import REPOSITORY
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.training import command_line

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PROJECT, SETUPTOOLS = PYPROJECT["project"], PYPROJECT["tool"]["setuptools"]
CONTENT_OF_CHECKOUT = (REPOSITORY / ".git").exists()


def requirements(file: str) -> list[Requirement]:
    lines = [line.partition(" #")[0].strip() for line in (REPOSITORY / file).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]


def installed_with(wanted: list[Requirement]) -> dict[str, str]:
    """Return name → version of these packages and all that they need, in this environment."""
    found, seen, waiting = {}, set(), list(wanted)
    while waiting:
        one = waiting.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = metadata.version(name)
        needs = [Requirement(text) for text in metadata.requires(name) or []]
        waiting += [
            need
            for need in needs
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *extras})
        ]
    return found


def tracked(*under: str) -> set[str]:
    return set(subprocess.check_output(["git", "ls-files", *under], cwd=REPOSITORY, text=True).splitlines())


# --- metadata ---


def test_metadata_is_complete_and_credits_the_author():
    for key in ("name", "version", "description", "readme", "license", "license-files", "requires-python", "classifiers"):
        assert PROJECT[key], key
    assert any("Sarath Shekkizhar" in author["name"] for author in PROJECT["authors"])
    assert all((REPOSITORY / file).exists() for file in (PROJECT["readme"], *PROJECT["license-files"]))
    readme = (REPOSITORY / "README.md").read_text()
    assert all(url in readme for url in PROJECT["urls"].values())


def test_every_package_is_listed():
    packages = {path.parent for path in (REPOSITORY / "unsupervised_learning").rglob("__init__.py")}
    names = {".".join(path.relative_to(REPOSITORY).parts) for path in packages}
    assert set(SETUPTOOLS["packages"]) == names | {"unsupervised_learning.reference"}
    assert {f"{name}.py" for name in SETUPTOOLS["py-modules"]} == {path.name for path in REPOSITORY.glob("*.py")}


def test_console_commands_are_the_scripts():
    assert PROJECT["scripts"] == {f"train-{name}": f"train_{name}:command" for name in ("ae", "vae", "gan")}
    assert set(SETUPTOOLS["py-modules"]) == {script.name.removesuffix(".py") for script in experiments.SCRIPTS.values()}


@pytest.fixture
def run_command(monkeypatch, capfd):
    """Function that runs train-ae in this process as setuptools' wrapper does: `__main__` is the wrapper, not the script."""

    def to_its_end(*arguments: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["/somewhere/bin/train-ae", *arguments])
        monkeypatch.setattr(sys.modules["__main__"], "__doc__", None)
        app.define_help_flags()  # absl does this only once per process
        before = set(flags.FLAGS)
        try:
            with pytest.raises(SystemExit) as exit_:
                train_ae.command()
        finally:
            for name in set(flags.FLAGS) - before:
                delattr(flags.FLAGS, name)
            flags.FLAGS.unparse_flags()
        return exit_.value.code, *capfd.readouterr()

    return to_its_end


def test_a_console_command_shows_its_help_and_names_itself_in_errors(run_command):
    status, out, _ = run_command("--help")
    assert not status
    assert "Trains the 2016 post's autoencoder" in out
    assert "--sparsity" in out
    assert "--logs_dir" in out
    said = "train-ae: error: unknown flag --max_iteration; did you mean --max_iterations?\n"
    assert run_command("--max_iteration=1") == (2, "", said)


def test_the_recorded_command_can_be_repeated(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/train-ae", "--logs_dir=a b"])
    assert command_line.command() == "train-ae '--logs_dir=a b'"
    monkeypatch.setattr(sys, "argv", ["train_ae.py", "--seed=1"])
    assert command_line.command() == "python train_ae.py --seed=1"
    monkeypatch.setattr(sys, "argv", ["/somewhere/unsupervised_learning/original/__main__.py", "train", "a b.meta"])
    assert command_line.command() == "python -m unsupervised_learning.original train 'a b.meta'"


def test_citation_agrees_with_the_metadata():
    text = (REPOSITORY / "CITATION.cff").read_text()
    fields = dict(re.findall(r"^([a-z-]+): (.+)$", text, re.MULTILINE))
    assert fields["cff-version"] == "1.2.0"
    assert (fields["version"], fields["license"]) == (PROJECT["version"], PROJECT["license"])
    assert "family-names: Shekkizhar" in text
    assert all(url in text for url in PROJECT["urls"].values())


# --- exact versions ---


def test_constraints_pin_everything_that_requirements_install():
    pinned = {}
    for one in requirements("constraints.txt"):
        (pin,) = one.specifier
        assert pin.operator == "==", one
        pinned[canonicalize_name(one.name)] = pin.version
    needed = set(installed_with(requirements("requirements.txt"))) - {"setuptools", "wheel"}
    assert needed <= set(pinned), f"not in constraints.txt: {sorted(needed - set(pinned))}"
    if sys.version_info[:2] == (3, 11):  # the Python of constraints.txt
        assert needed == set(pinned), f"no longer needed: {sorted(set(pinned) - needed)}"
    for one in requirements("requirements.txt"):
        assert pinned[canonicalize_name(one.name)] in one.specifier, one


# --- what is built ---


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, set[str]]:
    """Contents of the wheel and the source distribution, built from a copy of the tracked files. Needs PyPI for setuptools."""
    if not CONTENT_OF_CHECKOUT:
        pytest.skip("not a git checkout, so there is no list of tracked files to compare with")
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("built")
    archive = (
        subprocess.run(["git", "stash", "create"], cwd=REPOSITORY, capture_output=True, text=True).stdout.strip() or "HEAD"
    )
    packed = out / "files.zip"
    subprocess.run(["git", "archive", f"--output={packed}", archive], cwd=REPOSITORY, check=True)
    with zipfile.ZipFile(packed) as file:
        file.extractall(copy)
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(out)!r}); build_meta.build_wheel({str(out)!r})"
    environment = out / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PYPROJECT["build-system"]["requires"]], check=True)
    subprocess.run([python, "-c", build], cwd=copy, check=True, capture_output=True)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    with tarfile.open(sdist) as file:
        source = {str(Path(*Path(one.name).parts[1:])) for one in file.getmembers() if one.isfile()}
    with zipfile.ZipFile(wheel) as file:
        described = file.read(next(name for name in file.namelist() if name.endswith("METADATA"))).decode()
        return {"sdist": source, "wheel": set(file.namelist()), "metadata": set(described.splitlines())}


@pytest.mark.slow
def test_source_distribution_has_every_file(built):
    """All that git tracks, and so what the tests need."""
    assert tracked() <= built["sdist"]


@pytest.mark.slow
def test_wheel_has_what_runs_need_and_no_more(built):
    of_us = {name for name in built["wheel"] if ".dist-info/" not in name}
    code = tracked("unsupervised_learning", "train_*.py")
    reference = {name for name in of_us if name.startswith("unsupervised_learning/reference/")}
    assert of_us == code | reference
    kept = {f"logs/{name.removeprefix('unsupervised_learning/')}" for name in reference}
    records = ("/config.json", "/results.json", "/speed.json")  # not evaluation.json and other numbers, which only people read
    endings = (*records, ".v2", "events.reference.gz", ".txt.gz", ".csv.gz", "samples.png", "training.png")
    runs = {name for name in tracked("logs/reference") if "/arms/" not in name}
    assert {name for name in runs if name.endswith(endings)} <= kept <= tracked("logs/reference")


@pytest.mark.slow
def test_wheel_requires_what_requirements_name(built):
    wanted = {str(one) for one in requirements("requirements.txt")}
    assert {line.removeprefix("Requires-Dist: ") for line in built["metadata"] if line.startswith("Requires-Dist: ")} == wanted
    assert "License-Expression: MIT" in built["metadata"]
    assert any(line.startswith("Author: Sarath Shekkizhar") for line in built["metadata"])
