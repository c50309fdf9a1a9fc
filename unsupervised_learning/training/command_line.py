"""Command-line flags of the scripts, the settings made from them, and one-line errors with exit status 2.

Only scripts and `__main__` modules use this. All other modules receive settings.
"""

import dataclasses
import difflib
import math
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import keras
import tensorflow as tf
from absl import app, flags, logging

from unsupervised_learning.data import mnist, pictures
from unsupervised_learning.errors import KILLED, RunError
from unsupervised_learning.training import flag_help
from unsupervised_learning.training.settings import Settings, default_settings

FLAGS = flags.FLAGS
LARGEST = 3.4e38  # about the largest float32; the models compute in float32
GAN_LOGS = {"auto": "MNIST", "mnist": "MNIST", "tf_flowers": "Flowers", "celeb_a": "CelebA"}  # logs/<this>_GAN_logs/
Recipe = Mapping[str, Any]
Recipes = Mapping[str, Recipe]


def define_flags(build: type[keras.Model], recipes: Recipes, recipe: str, logs_dir: str, datasets: tuple[str, ...]) -> Recipe:
    """Define the flags that all scripts share. Names and defaults are those of 2016 where they existed.

    Args:
        build: the model's class; its constructor gives the defaults that are in no recipe.
        recipes: the script's recipes, each with the defaults that it sets.
        recipe: default of --recipe.
        logs_dir: default of --logs_dir.
        datasets: values of --dataset.

    Returns:
        The defaults of the script's flags.
    """
    flags.disclaim_key_flags()  # so that absl's --help lists them as the script's flags
    default = {**default_settings(build), **recipes[recipe]}
    of_run = {field.name: field.default for field in dataclasses.fields(Settings)}
    most = 2**31 - 1
    flags.DEFINE_enum("recipe", recipe, list(recipes), "Published run of 2016 that sets the defaults marked `By recipe`.")
    flags.DEFINE_string("logs_dir", logs_dir, "Folder of the run. Use the same folder to resume it.")
    define("integer", "max_iterations", default, "Iterations in total, including those before a resume. By recipe.", 1, most)
    define("integer", "batch_size", default, "Images per batch. By recipe.", 1)
    define("float", "learning_rate", default, "Adam's learning rate. By recipe.")
    define("integer", "z_dim", default, "Number of latent dimensions.", 1, 784)
    define("float", "init_stddev", default, "Initial stddev of the weights. By recipe.")
    define("float", "init_bias", default, "Initial value of the biases. By recipe.")
    define("integer", "seed", default, "Seed of the weights, the batches and the noise.", 0, most)
    define("enum", "dataset", of_run, "Data to train on; auto is mnist, or digits if there is no MNIST.", datasets)
    flags.DEFINE_string(
        "data_dir", None, "Folder with MNIST's four original files, or with sets prepared by tensorflow-datasets."
    )
    into = "at 64×64" if "DCGAN" in build.__name__ else "in grey at 28×28"
    flags.DEFINE_string("image_dir", None, f"Folder of pictures to train on, {into}: JPEG, PNG, BMP, GIF, WEBP or TIFF files.")
    flags.DEFINE_string("cache_dir", None, "Folder for decoded pictures; by default ~/.cache/unsupervised_learning.")
    define("enum", "jit", of_run, "Compile training with XLA; auto: if it is known to be faster.", ("auto", "on", "off"))
    sharing = (
        "Devices that share each batch. none: only one; mirrored: all of this machine; multi_worker: those of all processes in "
        "TF_CONFIG."
    )
    define("enum", "strategy", of_run, sharing, ("none", "mirrored", "multi_worker"))
    define("integer", "logical_cpus", of_run, "Split the CPU into this many devices, to try --strategy=mirrored.", 1, 64)
    require_number("learning_rate", above_zero=True, below=math.inf)
    require_number("init_stddev")
    require_number("init_bias")
    for folder in ("logs_dir", "data_dir", "image_dir", "cache_dir"):
        require_path(folder)
    return default


def define(kind: str, name: str, defaults: Recipe, text: str, *limits: Any) -> None:
    """Define a flag with its default from `defaults`. Its limits are the values of an enum, or the bounds of a number."""
    more = (
        {"enum_values": list(limits[0])} if kind == "enum" else dict(zip(("lower_bound", "upper_bound"), limits, strict=False))
    )
    getattr(flags, f"DEFINE_{kind}")(name, defaults[name], help=text, **more)


def define_dense_flags(default: Recipe, activations: list[str]) -> None:
    """Define the additional flags that the autoencoder and the VAE share."""
    flags.disclaim_key_flags()
    define("float", "regularization", default, "Weight of the L2 term over all weights and biases. By recipe.")
    define("enum", "activation", default, "Activation of the hidden layers.", activations)
    flags.DEFINE_string("restore_original", None, "Checkpoint of 2016 to start from: its weights, Adam's state and iteration.")
    flags.DEFINE_integer(
        "snapshots", 16, "Number of snapshots of the weights to keep for the page of `explore`; 0 for none.", 0, 1000
    )
    require_number("regularization")


def define_gan_flags(default: Recipe, initializers: list[str], real_batches: list[str]) -> None:
    """Define the additional flags of the GAN."""
    flags.disclaim_key_flags()
    every = "Update the discriminator in every n-th iteration. By recipe."
    xavier = "xavier: what the first attempt asked for but did not get."
    real = "Real images for the updates of an iteration: shared by all, or fresh for each. Default for tf_flowers: fresh."
    shared = "Use the same batch normalization for real and fake images in the discriminator. By recipe."
    decay = "Decay of batch normalization's moving statistics, used only in inference. By recipe."
    define("float", "beta1", default, "Adam's beta1.")
    define(
        "string", "feature_matching", default, "Weight of feature matching, or `only` to drop the adversarial loss. By recipe."
    )
    define("integer", "generator_steps", default, "Updates of the generator per iteration. By recipe.", 1, 100)
    define("integer", "discriminator_every", default, every, 1, 2**31 - 1)
    define("float", "discriminator_width", default, "Scales the discriminator's channels; 0.7 halves its weights.")
    define("enum", "initializer", default, f"Initializer of the convolutions. {xavier}", initializers)
    define("float", "gamma_stddev", default, "Initial stddev of batch normalization's gamma around 1. By recipe.")
    define("bool", "shared_normalization", default, shared)
    define("float", "bn_decay", default, decay)
    define("enum", "real_batches", default, real, real_batches)
    define("bool", "divide_twice", default, "Divide images by 255 twice, as the first attempt did by mistake.")
    flags.DEFINE_enum("channels", None, ["1", "3"], "Channels of pictures: 3 for colour or 1 for grey. MNIST has 1.")
    flags.DEFINE_bool("visualize", False, "Only draw images, from the newest checkpoint in --logs_dir. --seed changes z.")
    require_number("beta1", below=1)
    require_number("gamma_stddev")
    require_number("bn_decay", below=1)
    require_number("discriminator_width", above_zero=True, below=8)  # our choice: larger weights would not fit in memory
    flags.register_validator("feature_matching", is_weight_or_only, "must be a finite number not below 0, or `only`")


def settings(build: type[keras.Model], recipes: Recipes, **more: Any) -> Settings:
    """Return the settings: values from the command line, else from --recipe, else the model's defaults.

    Args:
        build: the model's class.
        recipes: the script's recipes.
        more: settings, or arguments of the model, that have no flag.
    """
    for name, value in recipes[FLAGS.recipe].items():
        FLAGS.set_default(name, value)
    own, names = default_settings(build), [field.name for field in dataclasses.fields(Settings)]
    given = {**{name: FLAGS[name].value for name in FLAGS if name in {*own, *names}}, **more}
    folders = {name: FLAGS[name].value for name in ("data_dir", "image_dir", "cache_dir") if name in FLAGS}
    return Settings(
        **{name: value for name, value in given.items() if name in names and name != "logs_dir"},
        model=build.__name__,
        arguments={name: given.get(name, default) for name, default in own.items()},
        logs_dir=path_of(FLAGS.logs_dir),
        default_recipe=str(FLAGS["recipe"].default),
        folders={name: value for name, value in folders.items() if value},
        command=command(),
    )


def dense_settings(build: type[keras.Model], recipes: Recipes) -> Settings:
    """Return the settings of the autoencoder or the VAE.

    Raises:
        RunError: the flags contradict each other.
    """
    if not FLAGS.image_dir:
        return settings(build, recipes)
    if FLAGS.dataset != "auto":
        raise RunError(
            f"--image_dir is a data set of its own; expected it without --dataset. Received: --dataset={FLAGS.dataset}"
        )
    FLAGS.set_default("logs_dir", str(FLAGS["logs_dir"].default).replace("MNIST", "pictures"))  # as the GAN's
    return settings(build, recipes, dataset="pictures")


def gan_settings(build: type[keras.Model], recipes: Recipes) -> Settings:
    """Return the GAN's settings. The data set decides the image size and some defaults.

    Raises:
        RunError: the flags contradict each other.
    """
    name = "pictures" if FLAGS.image_dir and FLAGS.dataset == "auto" else FLAGS.dataset
    if FLAGS.image_dir and name in mnist.DATASETS:
        names = " or ".join(pictures.PICTURE_SETS)
        raise RunError(f"--image_dir needs --dataset={names}, or no --dataset. Received: --dataset={name}")
    large = name not in mnist.DATASETS
    if large and FLAGS.recipe == "first_attempt":
        raise RunError(f"--recipe=first_attempt is for {', '.join(mnist.DATASETS)}. Received: {name}")
    FLAGS.set_default("logs_dir", f"logs/{GAN_LOGS.get(name, name)}_GAN_logs/")
    FLAGS.set_default("real_batches", "fresh" if name == "tf_flowers" else "shared")  # 2016 read flowers from a queue
    # xla_by_default=False: on a CPU, XLA's convolutions take several times as long as oneDNN's.
    side, channels = (64, 3) if large else (28, 1)
    if FLAGS.channels and not large and FLAGS.channels != "1":
        raise RunError(f"--channels=3 is for pictures; expected 1 for {name}, which is grey")
    channels = int(FLAGS.channels or channels)
    return settings(build, recipes, dataset=name, side=side, channels=channels, xla_by_default=False)


def is_weight_or_only(value: str) -> bool:
    """Return whether --feature_matching accepts the value."""
    if value == "only":
        return True
    try:
        return 0 <= float(value) < LARGEST
    except ValueError:
        return False


def path_of(given: str | Path) -> Path:
    """Return a path from the command line, with ~ expanded to the home folder."""
    return Path(os.path.expanduser(given))


def require_path(name: str) -> None:
    """Refuse empty paths and paths with unprintable characters, which TensorFlow does not accept."""
    flags.register_validator(
        name, lambda value: value is None or (value and value.isprintable()), "must be the path of a folder, in printable text"
    )


def require_number(name: str, above_zero: bool = False, below: float = LARGEST) -> None:
    """Refuse negative, non-finite or too large values of a float flag. Absl's own bounds accept nan and inf."""
    wanted = f"must be a finite number {'above 0' if above_zero else 'not below 0'}"
    flags.register_validator(
        name,
        lambda value: (value > 0 if above_zero else value >= 0) and value < below,
        wanted if below == math.inf else f"{wanted} and below {below:g}",
    )


def launch(main: Callable[..., int | None], positional: bool = False) -> None:
    """Run a script: parse the flags, call `main`, and report user errors as one line on stderr with exit status 2.

    With `positional`, `main` receives the list of positional arguments. Without it, they are refused.
    """

    def parse(arguments: list[str]) -> list[str]:
        if {"-h", "--help", "-help"} & set(arguments[1 : arguments.index("--") if "--" in arguments else None]):
            print(flag_help.text(sys.modules["__main__"].__doc__ or "", FLAGS.get_key_flags_for_module(arguments[0])))
            sys.exit(0)
        try:
            rest = FLAGS(arguments)
        except flags.UnrecognizedFlagError as error:
            near = difflib.get_close_matches(error.flagname, list(FLAGS), n=1)
            fail(f"unknown flag --{error.flagname}{f'; did you mean --{near[0]}?' if near else '; --help lists all flags'}")
        except flags.Error as error:
            fail(str(error))
        except SystemExit:  # after --helpfull, absl exits with status 1
            sys.exit(0)
        if len(rest) > 1 and not positional:
            fail(f"takes flags only, as in --seed=1. Received: {' '.join(rest[1:])}")
        return rest

    def run(rest: list[str]) -> int | None:
        logging.set_verbosity(logging.WARNING)  # at level INFO, TensorFlow reports every checkpoint
        try:
            return main(rest[1:]) if positional else main()
        except RunError as error:
            fail(str(error), error.status)
        except OSError as error:  # a full disk, a file in place of a folder
            fail(f"{error.filename or 'output'}: {error.strerror or error}")
        except tf.errors.OpError as error:  # the same from TensorFlow
            if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.InternalError | tf.errors.UnimplementedError):
                raise  # bugs of ours, not user errors
            fail(f"{type(error).__name__}: {said_by(error)}")
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # another Ctrl-C must not disturb the shutdown
            print(f"\nInterrupted; what was saved before is intact. To go on, rerun: {command()}", file=sys.stderr)
            return KILLED + signal.SIGINT

    show_help_of(sys.modules[main.__module__])
    app.run(run, flags_parser=parse)


def show_help_of(script: ModuleType) -> None:
    """Make --help show a script's flags and docstring if it runs as a console command, whose main module is another one."""
    if script.__name__ != "__main__":
        sys.modules["__main__"].__doc__ = script.__doc__
        for flag in FLAGS.flags_by_module_dict().get(script.__name__, []):
            FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def said_by(error: tf.errors.OpError) -> str:
    """Return the first line of TensorFlow's message, without the location in the graph."""
    lines = str(error.message).splitlines() or [""]
    return re.sub(r"^\{\{.*?\}\} | \[Op:\w+\].*$", "", lines[0])


def fail(message: str, status: int = RunError.status) -> NoReturn:
    """Exit with one line on stderr. Unprintable characters are escaped."""
    path = Path(sys.argv[0])
    name = path.parent.name if path.name == "__main__.py" else path.name
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(message.split()))
    print(f"{name}: error: {line}", file=sys.stderr)
    sys.exit(status)


def command() -> str:
    """Return the command line that started this process: of a script, of `python -m`, or of a console command."""
    script, *arguments = sys.argv
    if Path(script).name == "__main__.py":
        return shlex.join(["python", "-m", f"unsupervised_learning.{Path(script).parent.name}", *arguments])
    return shlex.join(["python", *sys.argv] if script.endswith(".py") else [Path(script).name, *arguments])
