"""Train everything that the claims need, over seeds, on all cores, and write the report.

    python -m unsupervised_learning.reproduce [NAME …] [--seeds=N] [--jobs=N] [--quick] [--list] [--out=logs/reproduction]
    python -m unsupervised_learning.reproduce reference RUN [RUN …] [--out=logs/reference] [--weights=dense]
    python -m unsupervised_learning.reproduce run3 DIR LOGS

The first form trains the named runs, or all: the normal scripts as processes, one core each, with as many seeds as the claims
need. With --original_logs it also trains the author's own graphs. Stop or kill it and type it again: finished runs are kept,
interrupted ones resume. At the end it writes the report of `compare` on these runs, and for `gan_notes` the verdicts on the
author's notes. `reference` makes small copies of finished runs. `run3` infers run 3's regularization weight from its dumps.
"""

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from absl import flags

from unsupervised_learning.data import mnist
from unsupervised_learning.data.dataset import existing_folder
from unsupervised_learning.errors import KILLED, RunError
from unsupervised_learning.reproduce import gan_notes, pool, reference
from unsupervised_learning.reproduce.experiments import NOTES
from unsupervised_learning.reproduce.jobs import ROOT, SCRIPTS, Request, listing
from unsupervised_learning.reproduce.run_3 import run_3
from unsupervised_learning.training import command_line, run_directory
from unsupervised_learning.training.command_line import path_of

FLAGS = flags.FLAGS
MEANS_NOTHING = "--quick: a few iterations of one seed, to see that everything works. The numbers mean nothing."


def main(words: list[str]) -> int:
    """Run one command; returns the exit status."""
    if words[:1] == ["reference"]:
        return reference.reference([path_of(word) for word in words[1:]], path_of(FLAGS.out or "logs/reference"), FLAGS.weights)
    if words[:1] == ["run3"]:
        if len(words) != 3:
            raise RunError(f"expected run3 DIR LOGS. Received: {' '.join(words)}")
        return run_3(path_of(words[1]), path_of(words[2]))
    return reproduce(words)


def reproduce(names: list[str]) -> int:
    """Train the named runs, or all, and write the reports; returns the exit status."""
    out = path_of(FLAGS.out or ("logs/reproduction_quick" if FLAGS.quick else "logs/reproduction"))
    original_logs = path_of(FLAGS.original_logs) if FLAGS.original_logs else None
    if original_logs and not original_logs.is_dir():
        raise RunError(f"--original_logs must be a folder. Received: {original_logs}")
    given = {name: FLAGS[name].value for name in ("data_dir", "image_dir")}
    folders = {name: existing_folder(folder, name) for name, folder in given.items() if folder}
    expected = "mnist" if FLAGS.dataset == "auto" else FLAGS.dataset
    request = Request(names, FLAGS.seeds, out, FLAGS.quick, expected, original_logs=original_logs, **folders)
    request.jobs()  # refuses unknown names before any data is loaded
    run_directory.check_usable(out, "--out")
    on = pool.cores(FLAGS.jobs)
    if FLAGS.list:
        print(listing(request.jobs(), out, pool.at_once(on)))
        return 0
    for script in SCRIPTS.values():
        if not (ROOT / script.name).exists():
            raise RunError(f"needs {script.name} in the project's folder. Received: {ROOT}, without it")
    dataset = mnist.load(FLAGS.dataset, FLAGS.data_dir)
    request = Request(names, FLAGS.seeds, out, FLAGS.quick, dataset.name, original_logs=original_logs, **folders)
    jobs = request.jobs()
    received = signal.SIGINT

    def like_ctrl_c(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received = signal.Signals(number)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, like_ctrl_c)
    try:
        with run_directory.lock(out, "--out"):
            print(listing(jobs, out, pool.at_once(on)))
            failed = pool.run(jobs, on)
            if any(job.name.startswith(f"{NOTES}_") for job in jobs):
                ended = {job: gan_notes.divergence(job) for job in request.notes()}  # also in earlier commands
                notes = {job: failed.get(job) or why for job, why in ended.items() if job in failed or why or job.finished()}
                gan_notes.write(notes, dataset, out / NOTES, FLAGS.quick)
                print(f"The verdicts on the author's notes are in {out / NOTES / 'report.md'}")
            report(out, original_logs)
    except KeyboardInterrupt:
        print(f"\nStopped; saved work is kept. To resume, rerun: {command_line.command()}", file=sys.stderr)
        return KILLED + received
    for job, why in failed.items():
        print(f"failed: {job.name}, seed {job.seed}: {why}", file=sys.stderr)
    if FLAGS.quick:
        print(MEANS_NOTHING)
    return 1 if failed else 0


def report(out: Path, original_logs: Path | None) -> None:
    """Write the report on the runs in a folder, by the command that everybody uses for it."""
    command = [sys.executable, "-m", "unsupervised_learning.compare", f"--logs_dir={out}", f"--out={out / 'report'}"]
    command += [f"--original_logs={original_logs}"] if original_logs else []
    command += [f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    sys.stdout.flush()
    status = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}).returncode
    if status:
        raise RunError(f"the report failed with exit status {status}")


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_integer("seeds", None, "Runs of each kind; by default as many as the claims need.", 1, 1_000)
    flags.DEFINE_integer("jobs", None, "Processes at a time; by default one for each core.", 1, 1_000)
    flags.DEFINE_bool("quick", False, "A look at everything: few iterations of one seed. The numbers mean nothing.")
    flags.DEFINE_bool("list", False, "Only say what would run, how long that takes, and where.")
    flags.DEFINE_string(
        "out", None, "Folder for the runs and the report; by default logs/reproduction. reference: logs/reference."
    )
    flags.DEFINE_enum("dataset", "auto", list(mnist.DATASETS), "Data set; auto is mnist, or digits if there is no MNIST.")
    flags.DEFINE_string("data_dir", None, "Folder with MNIST's four files, or with data sets prepared by tensorflow-datasets.")
    flags.DEFINE_string("image_dir", None, "Folder with tf_flowers' pictures, if tensorflow-datasets has not prepared them.")
    flags.DEFINE_string(
        "original_logs", os.environ.get("ORIGINAL_DIR"), "Folder with the author's files, to train the author's graphs as well."
    )
    flags.DEFINE_enum(
        "weights",
        "dense",
        list(reference.WEIGHTS),
        "reference: models that keep their weights. dense: autoencoders and VAEs; all: also GANs.",
    )
    for name in ("out", "data_dir", "image_dir", "original_logs"):
        command_line.require_path(name)


if __name__ == "__main__":
    define_flags()
    command_line.launch(main, positional=True)
