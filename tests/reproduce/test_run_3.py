"""Run 3: prediction intervals, and the dumps that the command needs."""

import numpy as np
import pytest

from tests.support import assert_refused
from unsupervised_learning.reproduce import run_3

REPRODUCE = "unsupervised_learning/reproduce/__main__.py"


def test_prediction_intervals():
    found = run_3.predicted([1.0, 2.0, 3.0], 5.0, tests=1)
    assert found.high == pytest.approx(2 + 4.302653 * np.sqrt(4 / 3))  # Student's t, two degrees of freedom, 97.5 %
    assert found.inside
    assert not run_3.predicted([1.0, 2.0, 3.0], 8.0, tests=1).inside
    assert run_3.predicted([1.0, 2.0, 3.0], 8.0, tests=12).inside  # wider, as one of twelve tests


def test_missing_dumps_of_run_3_are_listed(tmp_path, run_script):
    (tmp_path / "checkpoint0.txt").write_text("0 0 0 1\n")
    assert_refused(run_script(REPRODUCE, "run3", str(tmp_path), str(tmp_path)), "checkpoint1000.txt, checkpoint10000.txt")
    assert_refused(run_script(REPRODUCE, "run3", str(tmp_path), str(tmp_path / "none")), "LOGS must be the folder")
