"""The author's own artefacts of 2016: checkpoints, latent dumps and event files, read as they are.

    python -m unsupervised_learning.original replay CHECKPOINT [--dump=FILE] [--data_dir=DIR]
    python -m unsupervised_learning.original export LOGS_DIR FILE
    python -m unsupervised_learning.original import-logs DIR [--logs_dir=logs]
    python -m unsupervised_learning.original graph FILE [--json]
    python -m unsupervised_learning.original follow FILE [--checkpoint=CKPT] [--steps=200] [--seed=0] [--data_dir=DIR]
    python -m unsupervised_learning.original train FILE [--seed=0] [--data_dir=DIR] [--logs_dir=logs]
    python -m unsupervised_learning.original arms FILE [--arm=ours] [--seed=0] [--max_iterations=50001] [--data_dir=DIR]

`replay` puts a 2016 checkpoint into our model and measures it on the test set. `export` writes a run of ours as 2016's code
would have saved it. `import-logs` puts 2016's event files beside our runs, in TensorBoard's present format. `graph` says what
run a `.meta` or event file is from: its loss with every constant, the nearest recipe, and the command for the same run here.
`follow` runs that graph beside our model, update by update, and tells how far they part. `train` trains that graph to the end
and measures it as `replay` does. `arms` trains the graph, or our model with one thing changed, from the graph's initialisers;
without --arm it prints the table of all that were trained.
"""

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

from collections.abc import Callable
from pathlib import Path

from absl import flags

from unsupervised_learning import layers
from unsupervised_learning.errors import RunError
from unsupervised_learning.original.arms import ARMS, arms
from unsupervised_learning.original.author_runs import train
from unsupervised_learning.original.event_files import import_logs
from unsupervised_learning.original.follow import follow
from unsupervised_learning.original.graph_report import graph
from unsupervised_learning.original.replay import export, replay
from unsupervised_learning.training import command_line
from unsupervised_learning.training.command_line import path_of

FLAGS = flags.FLAGS

# The words of each command, and what does it.
COMMANDS: dict[str, tuple[tuple[str, ...], Callable[..., int]]] = {
    "replay": (
        ("CHECKPOINT",),
        lambda path: replay(path, FLAGS.dump, FLAGS.data_dir, FLAGS.activation, FLAGS.relu_heads, kept()),
    ),
    "export": (("LOGS_DIR", "FILE"), export),
    "import-logs": (("DIR",), lambda folder: import_logs(folder, path_of(FLAGS.logs_dir))),
    "graph": (("FILE",), lambda file: graph(file, FLAGS.json)),
    "follow": (
        ("FILE",),
        lambda file: follow(file, FLAGS.checkpoint, FLAGS.steps, FLAGS.seed, FLAGS.data_dir, path_of(FLAGS.out)),
    ),
    "train": (
        ("FILE",),
        lambda file: train(file, FLAGS.seed, FLAGS.max_iterations, FLAGS.data_dir, path_of(FLAGS.logs_dir)),
    ),
    "arms": (
        ("FILE",),
        lambda file: arms(file, FLAGS.arm, FLAGS.seed, FLAGS.max_iterations, FLAGS.data_dir, path_of(FLAGS.logs_dir)),
    ),
}


def kept() -> Path | None:
    """The folder of --keep."""
    return path_of(FLAGS.keep) if FLAGS.keep else None


def main(words: list[str]) -> int:
    """Do what the command line says; returns the exit status."""
    usage = " | ".join(f"{name} {' '.join(takes)}" for name, (takes, _) in COMMANDS.items())
    if not words or words[0] not in COMMANDS or len(words) - 1 != len(COMMANDS[words[0]][0]):
        raise RunError(f"takes one of: {usage}. Received: {' '.join(words) or 'nothing'}")
    return COMMANDS[words[0]][1](*words[1:])


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_string(
        "dump", None, "replay: the latent dump of the same checkpoint, checkpoint<step>.txt or z_vae_output.csv."
    )
    flags.DEFINE_string(
        "data_dir",
        None,
        "replay, follow, train, arms: folder with MNIST's four files, or sets prepared by tensorflow-datasets.",
    )
    flags.DEFINE_enum("activation", None, list(layers.ACTIVATIONS), "replay: of the hidden layers; not in the checkpoint.")
    flags.DEFINE_bool("relu_heads", None, "replay: the VAE is of the first form; if not given, the better bound decides.")
    flags.DEFINE_string("keep", None, "replay: a new folder for the model, as of a finished run, for `explore` to look at.")
    command_line.require_path("keep")
    flags.DEFINE_string("logs_dir", "logs", "import-logs, train, arms: the folder of our runs.")
    command_line.require_path("logs_dir")
    flags.DEFINE_bool("json", False, "graph: print everything that was read, as JSON.")
    flags.DEFINE_string("checkpoint", None, "follow: checkpoint of the same graph to begin with, Adam's state included.")
    flags.DEFINE_integer("steps", 200, "follow: updates.", 1, 1_000_000)
    flags.DEFINE_integer("seed", 0, "follow, train, arms: of the start, the batches and the noise.", 0, 2**31 - 1)
    flags.DEFINE_string("out", "logs/follow", "follow: folder for the picture of both courses.")
    command_line.require_path("out")
    flags.DEFINE_enum("arm", None, list(ARMS), "arms: what to train; if not given, print the table of all that were trained.")
    flags.DEFINE_integer("max_iterations", None, "train, arms: iterations, if not as many as in 2016.", 1, 2**31 - 1)


if __name__ == "__main__":
    define_flags()
    command_line.launch(main, positional=True)
