"""Trains the 2016 post's variational autoencoder, in its fixed form or, with --relu_heads, its first.

Writes TensorBoard summaries, checkpoints, figures and results to --logs_dir. Run it again to go on.
"""

from functools import partial

from absl import flags

from unsupervised_learning import (
    binarization,
    command_line,
    data,
    distribution,
    layers,
    outputs,
    summaries,
    training,
)
from unsupervised_learning.original.replay import go_on_from
from unsupervised_learning.vae import VariationalAutoEncoder

FLAGS = flags.FLAGS
EXPERIMENT = training.Experiment(
    name="VAE",
    scale=data.as_vectors,
    record=summaries.vae_record,
    record_every=500,  # 2016
    extras=partial(summaries.latent_extras, scatter_every=10_000),  # our choice
    write_outputs=outputs.write_vae,
)


def main() -> int:
    """Train as the flags say."""
    strategy = distribution.start()
    layers.set_precision(FLAGS.mixed_precision)
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
    return training.run(
        model, EXPERIMENT, lambda: binarization.binarized(data.load(FLAGS.dataset, FLAGS.data_dir), FLAGS.binarize), strategy
    )


if __name__ == "__main__":
    command_line.define_flags(
        logs_dir="logs/MNIST_VAE_logs/",
        max_iterations=100_001,
        batch_size=256,
        learning_rate=1e-3,
        z_dim=3,
        datasets=data.DATASETS,
    )
    command_line.define_dense_flags(regularization=1e-5, activation="relu", activations=list(layers.ACTIVATIONS))
    flags.DEFINE_bool("relu_heads", False, "Put a relu on mu and log_var too, as the first published run did.")
    flags.DEFINE_enum(
        "binarize",
        "none",
        binarization.BINARIZATIONS,
        "Make pixels black or white: by a threshold of 0.5, or by one draw for each, the same in every run; 2016: none.",
    )
    flags.DEFINE_float("kl_weight", 1.0, "Weight of the KL divergence in the loss.")
    command_line.require_number("kl_weight")
    command_line.launch(main)
