"""Trains the 2016 post's DCGAN, on MNIST at 28×28, or on flowers, faces or a folder of pictures at 64×64.

Writes TensorBoard summaries, checkpoints, generated images and results to --logs_dir. Run it again to resume.
"""

from unsupervised_learning.start import prepare

prepare()  # before TensorFlow is imported

from functools import partial
from pathlib import Path

from absl import flags

from unsupervised_learning import gan, layers
from unsupervised_learning.data import mnist, pictures
from unsupervised_learning.monitoring.gan import GANMonitor
from unsupervised_learning.original import runs
from unsupervised_learning.training import command_line, distribution
from unsupervised_learning.training.run import run, visualize

FLAGS = flags.FLAGS


def draw(logs_dir: Path, seed: int | None, model: gan.DCGAN) -> None:
    """Draw images from a trained model."""
    GANMonitor(model).write_outputs(logs_dir, None, seed)


def main() -> int:
    """Train as set by the flags, or only draw images with --visualize."""
    settings = command_line.gan_settings(gan.DCGAN, runs.GAN)
    if FLAGS.visualize:
        seed = None if FLAGS["seed"].using_default_value else settings.seed
        return visualize(settings.logs_dir, gan.DCGAN, partial(draw, settings.logs_dir, seed))
    strategy = distribution.start(settings)
    model = gan.DCGAN(**settings.arguments)
    model.compile(*(layers.adam(settings.learning_rate, FLAGS.beta1) for _ in ("generator", "discriminator")))
    if settings.dataset in mnist.DATASETS:
        load = partial(mnist.load, settings.dataset, FLAGS.data_dir)
    else:
        folders = FLAGS.image_dir, FLAGS.data_dir, FLAGS.cache_dir
        load = partial(pictures.load, settings.dataset, *folders, channels=model.channels)
    return run(settings, model, GANMonitor(model), load, strategy)


def command() -> None:
    """Define the flags and run `main`: the console command train-gan."""
    datasets = (*mnist.DATASETS, *pictures.PICTURE_SETS)
    default = command_line.define_flags(gan.DCGAN, runs.GAN, "dcgan", "logs/MNIST_GAN_logs/", datasets)
    command_line.define_gan_flags(default, list(layers.INITIALIZERS), list(gan.REAL_BATCHES))
    command_line.launch(main)


if __name__ == "__main__":
    command()
