"""The runs that the claims ask for.

    python -m unsupervised_learning.reproduce gan-notes [--logs_dir=logs/gan_notes] [--data_dir=DIR] [--only=SETTING,…]
    python -m unsupervised_learning.reproduce reference RUN [RUN …] [--out=logs/reference] [--weights=dense]
    python -m unsupervised_learning.reproduce run3 DIR [--runs=logs]

`gan-notes` tests what the author's notes say makes a GAN work. `reference` makes small copies of finished runs. `run3` tells
from run 3's dumps which weight of the regularization it had.
"""

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

from absl import flags

from unsupervised_learning.data import mnist
from unsupervised_learning.errors import RunError
from unsupervised_learning.reproduce import gan_notes, reference
from unsupervised_learning.reproduce.gan_verdicts import SETTINGS
from unsupervised_learning.reproduce.run_3 import run_3
from unsupervised_learning.training import command_line, run_directory
from unsupervised_learning.training.command_line import path_of

FLAGS = flags.FLAGS


def main(words: list[str]) -> int:
    """Do what the command line says; returns the exit status."""
    if words[:1] == ["reference"]:
        return reference.reference([path_of(word) for word in words[1:]], path_of(FLAGS.out), FLAGS.weights)
    if words[:1] == ["run3"] and len(words) == 2:
        return run_3(path_of(words[1]), path_of(FLAGS.runs))
    if words != ["gan-notes"]:
        raise RunError(f"takes one of: gan-notes | reference RUN [RUN …] | run3 DIR. Received: {' '.join(words) or 'nothing'}")
    for name, value in gan_notes.QUICK.items() if FLAGS.quick else ():
        FLAGS.set_default(name, value)
    plan = gan_notes.Plan(FLAGS.iterations, FLAGS.seeds, FLAGS.batch_size, FLAGS.only, FLAGS.quick)
    logs_dir = path_of(FLAGS.logs_dir)
    run_directory.check_usable(logs_dir)
    return gan_notes.run_notes(plan, FLAGS.dataset, FLAGS.data_dir, logs_dir)


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_string("logs_dir", "logs/gan_notes", "gan-notes: where runs, report.md, figure.png and results.json go.")
    flags.DEFINE_string(
        "data_dir", None, "gan-notes: folder with MNIST's four original files, or with sets prepared by tensorflow-datasets."
    )
    flags.DEFINE_enum("dataset", "auto", list(mnist.DATASETS), "gan-notes: what to train on.")
    flags.DEFINE_integer("iterations", gan_notes.ITERATIONS, "gan-notes: iterations of each run.", 1, 2**31 - 1)
    flags.DEFINE_integer("seeds", gan_notes.SEEDS, "gan-notes: runs of each setting, with the seeds 0, 1, ….", 1, 1_000)
    flags.DEFINE_integer("batch_size", 64, "gan-notes: images in a batch.", 1)
    flags.DEFINE_bool(
        "quick", False, "gan-notes: a look, 60 iterations, one seed, in logs/gan_notes_quick, if these are not given."
    )
    flags.DEFINE_list("only", [], f"gan-notes: only these settings, of: {', '.join(SETTINGS)}.")
    known = f"must be some of {', '.join(SETTINGS)}"
    flags.register_validator("only", lambda names: set(names) <= set(SETTINGS), known)
    command_line.require_path("logs_dir")
    flags.DEFINE_string("runs", "logs", "run3: folder of the autoencoder's runs.")
    command_line.require_path("runs")
    flags.DEFINE_string("out", "logs/reference", "reference: folder for the small copies.")
    flags.DEFINE_enum(
        "weights",
        "dense",
        list(reference.WEIGHTS),
        "reference: whose weights to keep: dense, autoencoders' and VAEs'; all, GANs' too.",
    )
    command_line.require_path("out")


if __name__ == "__main__":
    define_flags()
    command_line.launch(main, positional=True)
