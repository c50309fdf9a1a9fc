"""Trains the 2016 post's variational autoencoder, in its fixed form or, with --recipe=first, its first.

Writes TensorBoard summaries, checkpoints, figures and results to --logs_dir. Run it again to go on.
"""

from functools import partial

from absl import flags

from unsupervised_learning import layers
from unsupervised_learning.data import binarization, mnist
from unsupervised_learning.monitoring import outputs, summaries
from unsupervised_learning.original import runs
from unsupervised_learning.original.replay import go_on_from
from unsupervised_learning.training import command_line, distribution, loop
from unsupervised_learning.vae import VariationalAutoEncoder

FLAGS = flags.FLAGS


def main() -> int:
    """Train as the flags say."""
    command_line.take_recipe(runs.VAE)
    strategy = distribution.start()
    model = VariationalAutoEncoder(
        FLAGS.z_dim,
        FLAGS.activation,
        FLAGS.relu_heads,
        FLAGS.kl_weight,
        FLAGS.regularization,
        FLAGS.init_stddev,
        FLAGS.init_bias,
        FLAGS.seed,
    )
    model.compile(optimizer=layers.adam(FLAGS.learning_rate))
    if FLAGS.restore_original:
        go_on_from(FLAGS.restore_original, model)
    constant = runs.KL_CONSTANT[FLAGS.recipe] if FLAGS.recipe == "first" else None
    experiment = loop.Experiment(
        name="VAE",
        scale=mnist.as_vectors,
        record=partial(summaries.vae_record, kl_constant=constant),
        record_every=500,  # 2016
        extras=partial(summaries.latent_extras, scatter_every=10_000),  # our choice
        write_outputs=outputs.write_vae,
    )
    return loop.run(
        model, experiment, lambda: binarization.binarized(mnist.load(FLAGS.dataset, FLAGS.data_dir), FLAGS.binarize), strategy
    )


if __name__ == "__main__":
    command_line.define_flags(
        logs_dir="logs/MNIST_VAE_logs/",
        recipes=runs.VAE,
        recipe="fixed",
        z_dim=3,
        datasets=mnist.DATASETS,
    )
    command_line.define_dense_flags(runs.VAE["fixed"], activation="relu", activations=list(layers.ACTIVATIONS))
    flags.DEFINE_bool("relu_heads", False, "Put a relu on mu and log_var too, as the first published run did. By recipe.")
    flags.DEFINE_enum(
        "binarize",
        "none",
        binarization.BINARIZATIONS,
        "Make pixels black or white: by a threshold of 0.5, or by one draw for each, the same in every run; 2016: none.",
    )
    flags.DEFINE_float("kl_weight", 1.0, "Weight of the KL divergence in the loss.")
    command_line.require_number("kl_weight")
    command_line.launch(main)
