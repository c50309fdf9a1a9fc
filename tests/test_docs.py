"""The pages match the repository: links and anchors, flags, modules and files exist, and the README stays short."""

import functools
import re
from pathlib import Path

import pytest

from tests.support import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "benchmarks" / "README.md"]
PAGES += sorted((REPOSITORY / "docs").glob("*.md"))
MOST_LINES, MOST_CHARACTERS, MOST_WORDS = 150, 120, 1_250  # of the README
OF_OTHER_PROGRAMS = {"logdir", "samples_per_plugin", "check"}  # TensorBoard, ruff
ENDINGS = "py|sh|md|html|json|txt|png|gif"
# Files in the root, and folders from which the pages name files in short, as in `data/batches.py`.
BASES = [REPOSITORY, REPOSITORY / "unsupervised_learning", REPOSITORY / "benchmarks", REPOSITORY / "docs"]
WRITTEN = {"report", "logs", "figures", "author", "explore"}  # folders that commands write or users make
COMMITTED_LOGS = "logs/reference/"


def prose(text: str) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


@functools.cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page.read_text()), flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@functools.cache
def sources() -> list[Path]:
    """Return the project's Python files."""
    folders = ("unsupervised_learning", "benchmarks", "tests")
    return [*REPOSITORY.glob("*.py"), *(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))]


def python_files() -> set[str]:
    """Return the names of the project's Python files, without folders."""
    return {path.name for path in sources()}


@functools.cache
def flags_defined() -> set[str]:
    """Return the flags that the scripts, modules, tests and .ci/run define."""
    found = set(re.findall(r"--([a-z_]+) \]", (REPOSITORY / ".ci" / "run").read_text()))
    for source in sources():
        text = source.read_text()
        found.update(re.findall(r'(?:DEFINE_\w+|add_argument)\(\s*"(?:--)?(\w+)"', text))
        found.update(re.findall(r'\bdefine\(\s*"\w+", "(\w+)"', text))  # of training/command_line.py
    return found | {"help"}


@pytest.fixture(params=PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def page(request) -> Path:
    return request.param


def broken_links(page: Path, text: str) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(text)) + re.findall(r"^\[\w+\]: (\S+)$", text, flags=re.MULTILINE)
    assert targets or page.name == "CONTRIBUTING.md"
    broken = []
    for target in targets:
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            broken.append(target)
    return broken


def unknown_flags(text: str) -> list[str]:
    return sorted(set(re.findall(r"(?<![\w-])--([a-z]\w*)", text)) - flags_defined() - OF_OTHER_PROGRAMS)


def missing_files(page: Path, text: str) -> list[str]:
    """Return the files that a page names with a folder, or that end in .py, and that do not exist."""
    missing = []
    for name in set(re.findall(rf"(?<![\w/$.\-*<>{{}}])((?:[\w.\-]+/)*[\w.\-]+\.(?:{ENDINGS}))(?![\w*<>])", text)):
        folder = name.split("/")[0] if "/" in name else ""
        written = folder in WRITTEN and not name.startswith(COMMITTED_LOGS)
        if not name.endswith(".py") and (written or not folder):
            continue
        exists = any((base / name).exists() for base in (page.parent, *BASES)) or name in python_files()
        if not exists and name not in OF_2016:
            missing.append(name)
    return sorted(missing)


OF_2016 = {"TensorflowUtils.py", "MNIST_GAN.py", "AutoEncoder_MNIST.py", "VariationalAutoEncoder_MNIST.py"}  # the author's


def missing_modules(text: str) -> list[str]:
    """Return the modules that a page runs or imports, and that do not exist."""
    names = set(re.findall(r"\b((?:unsupervised_learning|benchmarks|tests)(?:\.\w+)+)\b", text))
    paths = {name: REPOSITORY.joinpath(*name.split(".")) for name in names}
    return sorted(name for name, path in paths.items() if not (path.is_dir() or path.with_suffix(".py").is_file()))


def test_links_and_anchors_resolve(page):
    assert broken_links(page, page.read_text()) == []


def test_flags_exist(page):
    assert unknown_flags(page.read_text()) == []


def test_files_exist(page):
    assert missing_files(page, page.read_text()) == []


def test_modules_exist(page):
    assert missing_modules(page.read_text()) == []


@pytest.mark.parametrize("path", sorted((REPOSITORY / "docs").glob("*.md")), ids=lambda path: path.name)
def test_pages_in_docs_list_all_their_sections_at_their_top(path):
    text = path.read_text()
    sections = re.findall(r"^## (.*)$", prose(text), flags=re.MULTILINE)
    listed = re.findall(r"^- \[.*\]\(#(.*)\)$", text.partition("\n## ")[0], flags=re.MULTILINE)
    assert len(listed) == len(sections) > 1
    assert set(listed) <= anchors(path)


def test_readme_is_short():
    text = (REPOSITORY / "README.md").read_text()
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    assert len(text.split()) <= MOST_WORDS
    assert [line for line in lines if len(line) > MOST_CHARACTERS] == []


def test_the_checks_can_fail():
    page = PAGES[0]
    assert broken_links(page, "[a](docs/none.md) [b](#nowhere) [c](docs/gan.md#the-recipe)") == ["docs/none.md", "#nowhere"]
    assert unknown_flags("`--z_dim=2` and `--zdim`") == ["zdim"]
    assert missing_files(page, "`data/batches.py`, `data/none.py`, `vae.py`, `none.py`, `logs/reference/none/a.json`") == [
        "data/none.py",
        "logs/reference/none/a.json",
        "none.py",
    ]
    assert missing_modules("python -m unsupervised_learning.explore, python -m unsupervised_learning.none") == [
        "unsupervised_learning.none"
    ]
