"""Trains the 2016 post's DCGAN: on MNIST at 28×28; on flowers, faces or a folder of pictures at 64×64.

Writes TensorBoard summaries, checkpoints, generated images and results to --logs_dir. Run it again to go on.
"""

from functools import partial

from absl import flags

from unsupervised_learning import gan, layers
from unsupervised_learning.data import mnist, pictures
from unsupervised_learning.errors import RunError
from unsupervised_learning.monitoring import outputs, summaries
from unsupervised_learning.monitoring.near_zero import NearZeroWarning
from unsupervised_learning.original import runs
from unsupervised_learning.training import command_line, distribution, loop

FLAGS = flags.FLAGS
LOGS = {"auto": "MNIST", "mnist": "MNIST", "tf_flowers": "Flowers", "celeb_a": "CelebA"}  # logs/<this>_GAN_logs/


def main() -> int:
    """Train, or with --visualize only draw, as the flags say."""
    name = "pictures" if FLAGS.image_dir and FLAGS.dataset == "auto" else FLAGS.dataset
    if FLAGS.image_dir and name in mnist.DATASETS:
        raise RunError(f"--image_dir goes with {', '.join(pictures.PICTURE_SETS)} or alone. Received: --dataset={name}")
    large = name not in mnist.DATASETS
    if large and FLAGS.recipe == "first_attempt":
        raise RunError(f"--recipe=first_attempt is for {', '.join(mnist.DATASETS)}. Received: {name}")
    FLAGS.set_default("logs_dir", f"logs/{LOGS.get(name, name)}_GAN_logs/")
    FLAGS.set_default("real_batches", "fresh" if name == "tf_flowers" else "shared")  # 2016's flowers came from a queue
    command_line.take_recipe(runs.GAN)
    if FLAGS.visualize:
        seed = None if FLAGS["seed"].using_default_value else FLAGS.seed
        return loop.visualize(gan.DCGAN, partial(outputs.write_gan, seed=seed))

    strategy = distribution.start()
    arguments = {name: getattr(FLAGS, name) for name in gan.ARGUMENTS if name in FLAGS}
    model = gan.DCGAN(side=64 if large else 28, channels=3 if large else 1, **arguments)
    model.compile(*(layers.adam(FLAGS.learning_rate, FLAGS.beta1) for _ in ("generator", "discriminator")))
    record_every, checkpoint_every = runs.GAN_CADENCE[FLAGS.recipe]
    experiment = loop.Experiment(
        name="GAN",
        scale=model.scale,
        record=summaries.gan_record,
        record_every=record_every,
        extras=summaries.gan_extras,
        extras_every=100,  # our choice
        write_outputs=outputs.write_gan,
        checkpoint_every=checkpoint_every,
        most_in_a_call=1,  # as XLA does not compile
        jit_compile=False,  # on a CPU XLA's convolutions take several times as long as oneDNN's
        callbacks=(NearZeroWarning(),),
    )
    if large:
        folders = (FLAGS.image_dir, FLAGS.data_dir, FLAGS.cache_dir)
        return loop.run(model, experiment, lambda: pictures.load(name, *folders), strategy)
    return loop.run(model, experiment, lambda: mnist.load(name, FLAGS.data_dir), strategy)


if __name__ == "__main__":
    command_line.define_flags(
        logs_dir="logs/MNIST_GAN_logs/",
        recipes=runs.GAN,
        recipe="dcgan",
        z_dim=100,
        datasets=(*mnist.DATASETS, *pictures.PICTURE_SETS),
    )
    command_line.define_gan_flags(initializers=list(layers.INITIALIZERS), real_batches=list(gan.REAL_BATCHES))
    command_line.launch(main)
