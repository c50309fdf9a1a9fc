"""Run 3: the dumps that the command needs."""

from tests.support import assert_refused
from unsupervised_learning.reproduce import run_3
from unsupervised_learning.reproduce.experiments import DUMPED

REPRODUCE = "unsupervised_learning/reproduce/__main__.py"


def test_missing_dumps_of_run_3_are_listed(tmp_path, run_script):
    (tmp_path / "checkpoint0.txt").write_text("0 0 0 1\n")
    assert_refused(run_script(REPRODUCE, "run3", str(tmp_path), str(tmp_path)), "checkpoint1000.txt, checkpoint10000.txt")
    assert_refused(run_script(REPRODUCE, "run3", str(tmp_path), str(tmp_path / "none")), "LOGS must be the folder")


def test_a_row_marks_the_iterations_at_which_run_3_is_not_one_of_ours():
    ours = {iteration: [{"kNN": value} for value in (0.79, 0.80, 0.81)] for iteration in DUMPED}
    ours[DUMPED[0]] = [{"kNN": 0.3}]  # too few for an interval
    published = {iteration: {"kNN": number} for iteration, number in zip(DUMPED, (0.3, 0.80, 0.81, 0.2), strict=True)}
    row = run_3.row("kNN", "autoencoder_run4", ours, published)
    within = ["0.800", "±", "0.010"]
    assert row.split() == ["weight", "1e-05", "(n", "=", "3)", "0.300", *within, *within, *within, "*"]
