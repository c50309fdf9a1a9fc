"""Commands that make and keep the runs that the claims need.

    python -m unsupervised_learning.reproduce gan-notes [--logs_dir=logs/gan_notes] [--data_dir=DIR] [--only=SETTING,…]
    python -m unsupervised_learning.reproduce reference RUN [RUN …] [--out=logs/reference] [--weights=dense]
    python -m unsupervised_learning.reproduce run3 DIR LOGS

`gan-notes` tests the claims of the author's notes about what makes a GAN work. `reference` makes small copies of finished
runs. `run3` infers run 3's regularization weight from its latent dumps.
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
    """Run one command; returns the exit status."""
    if words[:1] == ["reference"]:
        return reference.reference([path_of(word) for word in words[1:]], path_of(FLAGS.out), FLAGS.weights)
    if words[:1] == ["run3"] and len(words) == 3:
        return run_3(path_of(words[1]), path_of(words[2]))
    if words != ["gan-notes"]:
        received = " ".join(words) or "nothing"
        raise RunError(f"expected one of: gan-notes | reference RUN [RUN …] | run3 DIR LOGS. Received: {received}")
    for name, value in gan_notes.QUICK.items() if FLAGS.quick else ():
        FLAGS.set_default(name, value)
    plan = gan_notes.Plan(FLAGS.iterations, FLAGS.seeds, FLAGS.batch_size, FLAGS.only, FLAGS.quick)
    logs_dir = path_of(FLAGS.logs_dir)
    run_directory.check_usable(logs_dir)
    return gan_notes.run_notes(plan, FLAGS.dataset, FLAGS.data_dir, logs_dir)


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_string("logs_dir", "logs/gan_notes", "gan-notes: folder for runs, report.md, figure.png and results.json.")
    flags.DEFINE_string(
        "data_dir", None, "gan-notes: folder with MNIST's four files, or with data sets prepared by tensorflow-datasets."
    )
    flags.DEFINE_enum("dataset", "auto", list(mnist.DATASETS), "gan-notes: data set to train on.")
    flags.DEFINE_integer("iterations", gan_notes.ITERATIONS, "gan-notes: iterations per run.", 1, 2**31 - 1)
    flags.DEFINE_integer("seeds", gan_notes.SEEDS, "gan-notes: runs per setting, with seeds 0, 1, ….", 1, 1_000)
    flags.DEFINE_integer("batch_size", 64, "gan-notes: images per batch.", 1)
    flags.DEFINE_bool(
        "quick", False, "gan-notes: quick trial: defaults become 60 iterations, one seed, and logs/gan_notes_quick."
    )
    flags.DEFINE_list("only", [], f"gan-notes: run only these settings, from: {', '.join(SETTINGS)}.")
    known = f"must be from {', '.join(SETTINGS)}"
    flags.register_validator("only", lambda names: set(names) <= set(SETTINGS), known)
    command_line.require_path("logs_dir")
    flags.DEFINE_string("out", "logs/reference", "reference: folder for the small copies.")
    flags.DEFINE_enum(
        "weights",
        "dense",
        list(reference.WEIGHTS),
        "reference: models to keep weights of: dense: autoencoders and VAEs; all: GANs too.",
    )
    command_line.require_path("out")


if __name__ == "__main__":
    define_flags()
    command_line.launch(main, positional=True)
