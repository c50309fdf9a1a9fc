"""Commands for the author's 2016 artefacts: checkpoints, latent dumps, graphs and event files.

    python -m unsupervised_learning.original replay CHECKPOINT [--dump=FILE] [--data_dir=DIR]
    python -m unsupervised_learning.original export LOGS_DIR FILE
    python -m unsupervised_learning.original import-logs DIR [--logs_dir=logs]
    python -m unsupervised_learning.original graph FILE [--json]
    python -m unsupervised_learning.original follow FILE [--checkpoint=CKPT] [--steps=200] [--seed=0] [--data_dir=DIR]
    python -m unsupervised_learning.original train FILE [--seed=0] [--data_dir=DIR] [--logs_dir=logs]
    python -m unsupervised_learning.original arms FILE [--arm=ours] [--seed=0] [--max_iterations=50001] [--data_dir=DIR]

`replay` loads a 2016 checkpoint into our model and evaluates it on the test set. `export` writes one of our runs as a 2016
checkpoint. `import-logs` converts 2016's event files to TensorBoard's current format, next to our runs. `graph` describes the
graph in a `.meta` or event file: its loss with every constant, the nearest recipe, and the command for the same run here.
`follow` runs that graph and our model side by side, update by update, and reports how far they drift apart. `train` trains
that graph to the end and evaluates it like `replay`. `arms` trains the graph, or our model with one change, from the graph's
initialisers; without --arm it prints a table of all finished runs.
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

# Command → (names of its arguments, function that runs it).
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
    """Return the folder given by --keep, if any."""
    return path_of(FLAGS.keep) if FLAGS.keep else None


def main(words: list[str]) -> int:
    """Run one command; returns the exit status."""
    usage = " | ".join(f"{name} {' '.join(takes)}" for name, (takes, _) in COMMANDS.items())
    if not words or words[0] not in COMMANDS or len(words) - 1 != len(COMMANDS[words[0]][0]):
        raise RunError(f"expected one of: {usage}. Received: {' '.join(words) or 'nothing'}")
    return COMMANDS[words[0]][1](*words[1:])


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_string("dump", None, "replay: latent dump of the same checkpoint: checkpoint<step>.txt or z_vae_output.csv.")
    flags.DEFINE_string(
        "data_dir",
        None,
        "replay, follow, train, arms: folder with MNIST's four files, or with data sets prepared by tensorflow-datasets.",
    )
    flags.DEFINE_enum("activation", None, list(layers.ACTIVATIONS), "replay: hidden activation; checkpoints do not record it.")
    flags.DEFINE_bool("relu_heads", None, "replay: treat a VAE as the first form; by default, the form with the better ELBO.")
    flags.DEFINE_string("keep", None, "replay: new folder to save the model in, in the form of a run that `explore` can read.")
    command_line.require_path("keep")
    flags.DEFINE_string("logs_dir", "logs", "import-logs, train, arms: folder of our runs.")
    command_line.require_path("logs_dir")
    flags.DEFINE_bool("json", False, "graph: print the full description as JSON.")
    flags.DEFINE_string("checkpoint", None, "follow: start from this checkpoint of the graph, including Adam's state.")
    flags.DEFINE_integer("steps", 200, "follow: number of updates.", 1, 1_000_000)
    flags.DEFINE_integer("seed", 0, "follow, train, arms: seed of the initial weights, batches and noise.", 0, 2**31 - 1)
    flags.DEFINE_string("out", "logs/follow", "follow: folder for the plot of both loss curves.")
    command_line.require_path("out")
    flags.DEFINE_enum("arm", None, list(ARMS), "arms: arm to train; by default, print a table of all finished runs.")
    flags.DEFINE_integer("max_iterations", None, "train, arms: iterations; by default, as many as in 2016.", 1, 2**31 - 1)


if __name__ == "__main__":
    define_flags()
    command_line.launch(main, positional=True)
