"""The scripts' shared flags, and their answers to a user's mistakes: one line on stderr and exit status 2."""

import math
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import tensorflow as tf
from absl import app, flags, logging

from unsupervised_learning.errors import RunError

FLAGS = flags.FLAGS
USAGE_ERROR = 2  # exit status, as argparse has it
LARGEST = 3.4e38  # that float32, in which the models compute, holds
KILLED = 128  # plus the signal's number: exit status, as shells have it


def define_flags(
    *, logs_dir: str, recipes: Mapping[str, Mapping[str, Any]], recipe: str, z_dim: int, datasets: tuple[str, ...]
):
    """Define the flags that all scripts share. Names and defaults are 2016's where it had them.

    Args:
        logs_dir: default of the flag.
        recipes: of the script, each with the defaults that it sets.
        recipe: the default one.
        z_dim: default of the flag.
        datasets: names that --dataset takes.
    """
    flags.disclaim_key_flags()  # so that absl lists them as the script's own
    default = recipes[recipe]
    flags.DEFINE_enum("recipe", recipe, list(recipes), "Published run of 2016 whose settings are the defaults of the others.")
    flags.DEFINE_string("logs_dir", logs_dir, "Where the run is kept, and found again to go on with it.")
    flags.DEFINE_integer(
        "max_iterations", default["max_iterations"], "Iterations, over all resumed runs. By recipe.", 1, 2**31 - 1
    )
    flags.DEFINE_integer("batch_size", default["batch_size"], "Images in a batch. By recipe.", 1)
    flags.DEFINE_float("learning_rate", default["learning_rate"], "Adam's learning rate. By recipe.")
    flags.DEFINE_integer("z_dim", z_dim, "Number of latent dimensions.", 1, 784)
    flags.DEFINE_float("init_stddev", default["init_stddev"], "Stddev of the weights' start. By recipe.")
    flags.DEFINE_float("init_bias", default["init_bias"], "Start of every bias. By recipe.")
    flags.DEFINE_integer("seed", 0, "Seed of the weights, the batches and the noise.", 0, 2**31 - 1)
    flags.DEFINE_enum("dataset", "auto", list(datasets), "What to train on; auto is mnist, or digits where there is no MNIST.")
    flags.DEFINE_string(
        "data_dir", None, "Folder with MNIST's four original files, or with sets prepared by tensorflow-datasets."
    )
    flags.DEFINE_enum("jit", "auto", ["auto", "on", "off"], "Let XLA compile training; auto: where it is known to be faster.")
    flags.DEFINE_enum(
        "strategy",
        "none",
        ["none", "mirrored", "multi_worker"],
        "Devices that share each batch: one; all of this machine; those of all processes that TF_CONFIG names.",
    )
    flags.DEFINE_integer("logical_cpus", 1, "Devices to make of this CPU, to try --strategy=mirrored without GPUs.", 1, 64)
    require_number("learning_rate", above_zero=True, below=math.inf)
    require_number("init_stddev")
    require_number("init_bias")
    require_path("logs_dir")


def define_dense_flags(default: Mapping[str, Any], activation: str, activations: list[str]):
    """Define what the autoencoder and the VAE share beside these; `default` has the settings of the default recipe."""
    flags.disclaim_key_flags()
    flags.DEFINE_float(
        "regularization", default["regularization"], "Weight of the L2 term over all weights and biases. By recipe."
    )
    flags.DEFINE_enum("activation", activation, activations, "Activation of the hidden layers.")
    flags.DEFINE_string("restore_original", None, "Checkpoint of 2016 to go on from: its weights, Adam's state and iteration.")
    require_number("regularization")


def define_gan_flags(*, initializers: list[str], real_batches: list[str]):
    """Define the GAN's flags beside the shared ones."""
    flags.disclaim_key_flags()
    flags.DEFINE_float("beta1", 0.5, "Adam's beta1.")
    flags.DEFINE_string(
        "feature_matching", "0.1", "Weight of feature matching, or `only`: without the adversarial loss. By recipe."
    )
    flags.DEFINE_integer("generator_steps", 2, "Updates of the generator in each iteration. By recipe.", 1, 100)
    flags.DEFINE_integer(
        "discriminator_every", 1, "Iterations between two updates of the discriminator. By recipe.", 1, 2**31 - 1
    )
    flags.DEFINE_float("discriminator_width", 1.0, "Factor of the discriminator's channels; 0.7 halves its weights.")
    flags.DEFINE_enum(
        "initializer",
        "truncated_normal",
        initializers,
        "How the convolutions start. xavier: what the first attempt's code asks for; its weight_variable ignored it.",
    )
    flags.DEFINE_float("gamma_stddev", 0.02, "Stddev around 1 of the start of batch normalization's gamma. By recipe.")
    flags.DEFINE_bool(
        "shared_normalization",
        True,
        "Real and fake images share the discriminator's batch normalization; if not, each have their own. By recipe.",
    )
    flags.DEFINE_float(
        "bn_decay", 0.9, "Decay of batch normalization's moving statistics. Only inference uses them. By recipe."
    )
    flags.DEFINE_enum(
        "real_batches",
        "shared",
        real_batches,
        "Real images of an iteration's updates: the same for all, or fresh ones for each. fresh by default for tf_flowers.",
    )
    flags.DEFINE_bool("divide_twice", False, "Divide images by 255 twice, as the first attempt did by mistake.")
    flags.DEFINE_string("image_dir", None, "Folder of JPEG or PNG files to train on, at 64×64.")
    flags.DEFINE_string("cache_dir", None, "Where decoded pictures are kept; ~/.cache/unsupervised_learning if not given.")
    flags.DEFINE_bool("visualize", False, "Only draw images, from the newest checkpoint in --logs_dir; of other z with --seed.")
    require_number("beta1", below=1)
    require_number("gamma_stddev")
    require_number("bn_decay", below=1)
    require_number("discriminator_width", above_zero=True, below=8)  # our choice: beyond that no memory holds the weights
    flags.register_validator("feature_matching", is_weight_or_only, "must be a finite number not below 0, or `only`")


def take_recipe(recipes: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the settings of --recipe the defaults of the flags that the user has not given."""
    for name, value in recipes[FLAGS.recipe].items():
        FLAGS.set_default(name, value)


def is_weight_or_only(value: str) -> bool:
    """Whether the value is one that --feature_matching takes."""
    if value == "only":
        return True
    try:
        return 0 <= float(value) < LARGEST
    except ValueError:
        return False


def path_of(given: str | Path) -> Path:
    """A path that a user has typed: ~ is the home folder, where there is one."""
    return Path(os.path.expanduser(given))


def require_path(name: str) -> None:
    """Refuse an empty path, and one that is no text: TensorFlow takes no other."""
    flags.register_validator(
        name, lambda value: value is None or (value and value.isprintable()), "must be the path of a folder, in printable text"
    )


def require_number(name: str, above_zero: bool = False, below: float = LARGEST) -> None:
    """Refuse values of a float flag that are negative, not finite (absl's own bounds let nan and inf pass) or too large."""
    wanted = f"must be a finite number {'above 0' if above_zero else 'not below 0'}"
    flags.register_validator(
        name,
        lambda value: (value > 0 if above_zero else value >= 0) and value < below,
        wanted if below == math.inf else f"{wanted} and below {below:g}",
    )


def launch(main: Callable[..., int | None], positional: bool = False) -> None:
    """Run a script: parse flags, call `main`, turn a user's mistakes into one line on stderr and exit status 2.

    With `positional`, `main` gets the list of what is no flag; else there must be none.
    """

    def parse(arguments: list[str]) -> list[str]:
        try:
            rest = FLAGS(arguments)
        except flags.Error as error:
            fail(str(error))
        except SystemExit:  # --help, which absl ends with 1
            sys.exit(0)
        if len(rest) > 1 and not positional:
            fail(f"takes flags only, as in --seed=1. Received: {' '.join(rest[1:])}")
        return rest

    def run(rest: list[str]) -> int | None:
        logging.set_verbosity(logging.WARNING)  # TensorFlow reports every checkpoint at the level below
        try:
            return main(rest[1:]) if positional else main()
        except RunError as error:
            fail(str(error), error.status)
        except OSError as error:  # a full disk, a file where a folder has to be
            fail(f"{error.filename or 'output'}: {error.strerror or error}")
        except tf.errors.OpError as error:  # TensorFlow's words for the same
            if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.InternalError | tf.errors.UnimplementedError):
                raise  # these are mistakes of ours
            fail(f"{type(error).__name__}: {said_by(error)}")
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a third, or a late second, is not to end the end
            print(f"\nInterrupted; what was saved before holds. To go on, type the same again: {command()}", file=sys.stderr)
            return KILLED + signal.SIGINT

    app.run(run, flags_parser=parse)


@contextmanager
def stop_signals(tell: Callable[[int], None]) -> Iterator[None]:
    """Tell the number of the first Ctrl-C or SIGTERM, so that training stops where its state is whole; a second interrupts."""
    told = False

    def request(number, frame):
        nonlocal told
        if told:
            raise KeyboardInterrupt
        told = True
        tell(number)

    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, request) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def said_by(error: tf.errors.OpError) -> str:
    """TensorFlow's message in one line, without where in its graph it arose."""
    lines = str(error.message).splitlines() or [""]
    return re.sub(r"^\{\{.*?\}\} | \[Op:\w+\].*$", "", lines[0])


def fail(message: str, status: int = USAGE_ERROR) -> NoReturn:
    """End the program with one line, in which what no terminal shows is written out."""
    path = Path(sys.argv[0])
    name = path.parent.name if path.name == "__main__.py" else path.name
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(message.split()))
    print(f"{name}: error: {line}", file=sys.stderr)
    sys.exit(status)


def command() -> str:
    """The command line that started this run."""
    return shlex.join(["python", *sys.argv])
