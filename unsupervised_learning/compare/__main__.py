"""Compares the original with our runs: `python -m unsupervised_learning.compare [--logs_dir logs] [--original_logs DIR]`.

Finds the finished runs below --logs_dir (without the flag: those below logs, and our reference runs), judges every claim of
`claims.CLAIMS` by them, and writes a self-contained page, its tables as Markdown and its figures as PNG to --out. The author's
numbers are in the package. Pictures, dumps and event files of 2016 come from --original_logs: clones of the author's
repositories, or a folder with their files.
"""

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

from absl import flags

from unsupervised_learning import atomic_files
from unsupervised_learning.compare import page
from unsupervised_learning.compare.exhibits import Originals, exhibits, unfinished
from unsupervised_learning.compare.report import TITLE, body, claim_rows, judge, markdown, verdicts
from unsupervised_learning.data.dataset import existing_folder
from unsupervised_learning.errors import RunError
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.training import command_line
from unsupervised_learning.training.command_line import path_of

FLAGS = flags.FLAGS


def main() -> int:
    """Write the report; returns the exit status."""
    logs_dir, out = path_of(FLAGS.logs_dir), path_of(FLAGS.out)
    reference = experiments.reference_folder()
    more = [reference] if FLAGS["logs_dir"].using_default_value and logs_dir.resolve() not in reference.parents else []
    if more and not logs_dir.exists():  # an installed package, without runs of one's own
        logs_dir, more = reference, []
    if not logs_dir.is_dir():
        raise RunError(f"--logs_dir must be a folder. Received: {logs_dir}")
    if out.exists() and not out.is_dir():
        raise RunError(f"--out must be a folder or a path that does not exist yet. Received: {out}")
    if FLAGS.data_dir:
        existing_folder(FLAGS.data_dir, "data_dir")
    originals = Originals(path_of(FLAGS.original_logs) if FLAGS.original_logs else None)
    runs = experiments.find_runs(logs_dir, *more)
    found = judge(runs)
    rows = claim_rows(found)
    shown = list(exhibits(runs, originals, FLAGS.data_dir))
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for exhibit in shown:
        if png := page.composite(exhibit):
            atomic_files.write_atomically(out / "figures" / f"{exhibit.name}.png", png)
    atomic_files.write_atomically(out / "report.md", markdown(rows, runs))
    whole = body(found, shown, unfinished(runs, logs_dir), runs)
    atomic_files.write_atomically(out / "index.html", page.document(TITLE, whole))
    print(f"{sum(map(len, runs.values()))} runs, {len(runs.left_out)} left out; {len(rows)} claims: {verdicts(rows)}")
    for name, why in runs.left_out.items():
        print(f"left out: {name}: {why}")
    print(f"The report is {out / 'index.html'}")
    return 0


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_string("logs_dir", "logs", "Folder with runs; subfolders are searched. The default also takes our own runs.")
    flags.DEFINE_string("original_logs", None, "Folder with the author's files of 2016; subfolders are searched.")
    flags.DEFINE_string("data_dir", None, "Folder with MNIST's four files, for a figure that replays the author's fixed VAE.")
    flags.DEFINE_string("out", "report", "Output folder for index.html, report.md and figures/.")
    for folder in ("logs_dir", "original_logs", "data_dir", "out"):
        command_line.require_path(folder)


if __name__ == "__main__":
    define_flags()
    command_line.launch(main)
