"""Trains the 2016 post's variational autoencoder: the fixed version, or with --recipe=first the first one.

Writes TensorBoard summaries, checkpoints, figures and results to --logs_dir. Run it again to resume.
"""

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

from functools import partial

from absl import flags

from unsupervised_learning import layers
from unsupervised_learning.data import binarization, fixed_binarization, mnist
from unsupervised_learning.monitoring.vae import VAEMonitor
from unsupervised_learning.original import runs
from unsupervised_learning.original.replay import resume_from
from unsupervised_learning.training import command_line, distribution, finished_run
from unsupervised_learning.training.run import run
from unsupervised_learning.training.settings import Settings
from unsupervised_learning.vae import VariationalAutoEncoder

FLAGS = flags.FLAGS


def main() -> int:
    """Train as set by the flags."""
    settings = command_line.dense_settings(VariationalAutoEncoder, runs.VAE)
    strategy = distribution.start(settings)
    model = VariationalAutoEncoder(**settings.arguments)
    model.compile(optimizer=layers.adam(settings.learning_rate))
    if settings.restore_original:
        resume_from(settings.restore_original, model, settings.max_iterations)
    monitor = VAEMonitor(model, runs.KL_CONSTANT[settings.recipe])
    folders = FLAGS.data_dir, FLAGS.image_dir, FLAGS.cache_dir
    load = partial(finished_run.dense_images, settings.dataset, *folders, binarize=settings.binarize)
    return run(settings, model, monitor, load, strategy)


def command() -> None:
    """Define the flags and run `main`: the console command train-vae."""
    default = command_line.define_flags(VariationalAutoEncoder, runs.VAE, "fixed", "logs/MNIST_VAE_logs/", mnist.DATASETS)
    command_line.define_dense_flags(default, list(layers.ACTIVATIONS))
    flags.DEFINE_bool(
        "relu_heads", default["relu_heads"], "Apply a relu to mu and log_var, as the first published run did. By recipe."
    )
    flags.DEFINE_enum(
        "binarize",
        Settings.binarize,
        (*binarization.BINARIZATIONS, fixed_binarization.NAME),
        "Binarise pixels: by a threshold of 0.5; by one random draw per pixel, the same in every run; or read Larochelle and "
        "Murray's files in --data_dir. 2016: none.",
    )
    flags.DEFINE_float("kl_weight", default["kl_weight"], "Weight of the KL divergence in the loss.")
    command_line.require_number("kl_weight")
    command_line.launch(main)


if __name__ == "__main__":
    command()
