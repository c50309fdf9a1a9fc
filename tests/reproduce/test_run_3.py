"""Run 3: the dumps that the command needs."""

from tests.support import assert_refused

REPRODUCE = "unsupervised_learning/reproduce/__main__.py"


def test_missing_dumps_of_run_3_are_listed(tmp_path, run_script):
    (tmp_path / "checkpoint0.txt").write_text("0 0 0 1\n")
    assert_refused(run_script(REPRODUCE, "run3", str(tmp_path), str(tmp_path)), "checkpoint1000.txt, checkpoint10000.txt")
    assert_refused(run_script(REPRODUCE, "run3", str(tmp_path), str(tmp_path / "none")), "LOGS must be the folder")
