"""Run 3: the dumps that the command needs."""

from tests.support import assert_refused, write_dumps, write_run
from unsupervised_learning.monitoring.dumps import read_dump
from unsupervised_learning.reproduce import run_3
from unsupervised_learning.reproduce.experiments import DUMPED

REPRODUCE = "unsupervised_learning/reproduce/__main__.py"


def test_missing_dumps_of_run_3_are_listed(tmp_path, run_script):
    (tmp_path / "checkpoint0.txt").write_text("0 0 0 1\n")
    assert_refused(run_script(REPRODUCE, "run3", str(tmp_path), str(tmp_path)), "checkpoint1000.txt, checkpoint10000.txt")
    assert_refused(run_script(REPRODUCE, "run3", str(tmp_path), str(tmp_path / "none")), "LOGS must be the folder")


def test_run_3_is_compared_with_runs_of_each_weight(tmp_path, run_script):
    published = tmp_path / "run3"
    published.mkdir()
    write_dumps(published)
    for name, accuracies in (("autoencoder", (0.3, 0.5, 0.8, 0.85)), ("autoencoder_run2", (0.9, 0.9, 0.9, 0.9))):
        for seed in range(3):
            write_dumps(write_run(tmp_path / "logs", name, seed), accuracies, seed)
    done = run_script(REPRODUCE, "run3", str(published), str(tmp_path / "logs"))
    assert done.status == 0, done.err
    head, *lines = done.out.splitlines()[: 1 + 3 * 4]
    assert head.split() == ["at", "0", "at", "1,000", "at", "10,000", "at", "20,000"]
    measure = run_3.measures(*read_dump(published / "checkpoint1000.txt"))
    for first, name in zip(range(0, 12, 4), run_3.MEASURES, strict=True):
        assert lines[first].startswith(f"{name}, run 3")
        assert lines[first].split()[4] == f"{measure[name]:.3f}"
    other, same, none = lines[1:4]  # kNN
    assert (other.split()[1], same.split()[1]) == ("0.01", "0.0001")
    assert other.count("*") == 2  # at 0 and 1,000 the others' codes show the digits better
    assert same.count("*") == 0
    assert none.split()[-4:] == ["–"] * 4


def test_a_row_marks_the_iterations_at_which_run_3_is_not_one_of_ours():
    ours = {iteration: [{"kNN": value} for value in (0.79, 0.80, 0.81)] for iteration in DUMPED}
    ours[DUMPED[0]] = [{"kNN": 0.3}]  # too few for an interval
    published = {iteration: {"kNN": number} for iteration, number in zip(DUMPED, (0.3, 0.80, 0.81, 0.2), strict=True)}
    row = run_3.row("kNN", "autoencoder_run4", ours, published)
    within = ["0.800", "±", "0.010"]
    assert row.split() == ["weight", "1e-05", "(n", "=", "3)", "0.300", *within, *within, *within, "*"]
