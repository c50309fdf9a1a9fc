"""Trains the 2016 post's autoencoder: six fully connected layers, a 3-D code, L2 loss.

Writes TensorBoard summaries, checkpoints, latent dumps, figures and results to --logs_dir. Run it again to resume.
"""

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

from functools import partial

from absl import flags

from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.monitoring.autoencoder import AutoEncoderMonitor
from unsupervised_learning.original import runs
from unsupervised_learning.original.replay import resume_from
from unsupervised_learning.training import command_line, distribution, finished_run
from unsupervised_learning.training.run import run

FLAGS = flags.FLAGS


def main() -> int:
    """Train as set by the flags."""
    settings = command_line.dense_settings(AutoEncoder, runs.AUTOENCODER)
    strategy = distribution.start(settings)
    model = AutoEncoder(**settings.arguments)
    model.compile(optimizer=layers.adam(settings.learning_rate))
    if settings.restore_original:
        resume_from(settings.restore_original, model, settings.max_iterations)
    load = partial(finished_run.dense_images, settings.dataset, FLAGS.data_dir, FLAGS.image_dir, FLAGS.cache_dir)
    return run(settings, model, AutoEncoderMonitor(model), load, strategy)


def command() -> None:
    """Define the flags and run `main`: the console command train-ae."""
    default = command_line.define_flags(AutoEncoder, runs.AUTOENCODER, "run5", "logs/MNIST_logs/", mnist.DATASETS)
    command_line.define_dense_flags(default, list(layers.ACTIVATIONS))
    flags.DEFINE_bool("mean_loss", default["mean_loss"], "Average the L2 loss over the batch instead of summing. By recipe.")
    flags.DEFINE_float("sparsity", default["sparsity"], "Weight of the codes' absolute values in the loss; 2016 had none.")
    command_line.require_number("sparsity")
    command_line.launch(main)


if __name__ == "__main__":
    command()
