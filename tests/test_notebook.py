"""The notebook: its outputs are kept, its links lead somewhere, and every cell runs."""

import json
import re
import subprocess
import sys

import pytest

from tests.support import REPOSITORY

NOTEBOOK = REPOSITORY / "notebooks" / "tour.ipynb"
CELLS = json.loads(NOTEBOOK.read_text())["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]

# Runs the cells as Jupyter does, without Jupyter: one after the other in a new process. Prints the form (image, HTML or text)
# in which Jupyter would show the value of each cell's last expression.
RUN = """
import ast, json, sys
scope = {"__name__": "__main__"}
for source in json.load(sys.stdin):
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), scope)
    value = last and eval(compile(ast.Expression(last.value), "cell", "eval"), scope)
    forms = {"image/png": "_repr_png_", "text/html": "_repr_html_"}
    form = next((form for form, name in forms.items() if hasattr(value, name) and getattr(value, name)()), "text/plain")
    print("shows", form if value is not None else "nothing", flush=True)
"""


def kept(cell: dict) -> str:
    """The form of a cell's value as it is kept."""
    return (forms(cell) or ["text/plain" if any("data" in one for one in cell["outputs"]) else "nothing"])[0]


def forms(cell: dict) -> list[str]:
    """The forms of a cell's value besides plain text."""
    return [form for output in cell["outputs"] for form in output.get("data", {}) if form != "text/plain"]


def test_outputs_are_kept_in_order_and_without_warnings():
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    outputs = [output for cell in CODE for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"stream", "execute_result"}
    assert {output["name"] for output in outputs if output["output_type"] == "stream"} == {"stdout"}
    assert all(len(forms(cell)) <= 1 for cell in CODE)  # each figure is shown once
    assert sum(form == "image/png" for cell in CODE for form in forms(cell)) >= 8
    assert "Dataset(mnist," in json.dumps(CODE[0]["outputs"])
    assert NOTEBOOK.stat().st_size < 1.5e6


def test_questions_come_before_guesses_and_guesses_before_runs():
    marks = {"**Your guess:**": "guess", "**Question.**": "question"}
    kinds = [
        "run" if cell["cell_type"] == "code" else next((marks[mark] for mark in marks if mark in "".join(cell["source"])), "")
        for cell in CELLS
    ]
    asked = [number for number, kind in enumerate(kinds) if kind == "question"]
    assert len(asked) >= 6
    assert all(kinds[number + 1 : number + 3] == ["guess", "run"] for number in asked)


def test_links_lead_to_files():
    texts = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown"]
    links = re.findall(r"\]\((\.\./[^)]*)\)", "".join(texts))
    assert len(links) >= 4
    assert [link for link in links if not (NOTEBOOK.parent / link).exists()] == []


@pytest.mark.slow
def test_every_cell_runs():
    """On the small digits and with a tenth of the iterations; the code is the same."""
    cells = json.dumps(["".join(cell["source"]) for cell in CODE])
    for kept_, faster in (("share = 1.0", "share = 0.1"), ("mnist.load()", "mnist.load('digits')")):
        assert cells.count(kept_) == 1
        cells = cells.replace(kept_, faster)
    run = subprocess.run(
        [sys.executable, "-c", RUN], input=cells, cwd=NOTEBOOK.parent, capture_output=True, text=True, timeout=1800
    )
    assert run.returncode == 0, run.stderr
    shown = [line.removeprefix("shows ") for line in run.stdout.splitlines() if line.startswith("shows ")]
    assert shown == [kept(cell) for cell in CODE]
