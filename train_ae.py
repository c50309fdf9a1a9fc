"""Trains the 2016 post's autoencoder: six fully connected layers, a 3-D code, L2 loss.

Writes TensorBoard summaries, checkpoints, latent dumps, figures and results to --logs_dir. Run it again to go on.
"""

from functools import partial

from absl import flags

from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.data import mnist
from unsupervised_learning.monitoring import outputs, summaries
from unsupervised_learning.original import runs
from unsupervised_learning.original.replay import go_on_from
from unsupervised_learning.training import command_line, distribution, loop

FLAGS = flags.FLAGS
EXPERIMENT = loop.Experiment(
    name="Autoencoder",
    scale=mnist.as_vectors,
    record=summaries.autoencoder_record,
    record_every=100,  # 2016
    extras=partial(summaries.latent_extras, scatter_every=5_000),  # our choice
    write_outputs=outputs.write_autoencoder,
    update_first=False,  # 2016
    dump=outputs.dump_codes,
)


def main() -> int:
    """Train as the flags say."""
    command_line.take_recipe(runs.AUTOENCODER)
    strategy = distribution.start()
    model = AutoEncoder(
        FLAGS.z_dim,
        FLAGS.activation,
        FLAGS.regularization,
        FLAGS.sparsity,
        FLAGS.init_stddev,
        FLAGS.init_bias,
        FLAGS.seed,
        mean_loss=FLAGS.mean_loss,
    )
    model.compile(optimizer=layers.adam(FLAGS.learning_rate))
    if FLAGS.restore_original:
        go_on_from(FLAGS.restore_original, model)
    return loop.run(model, EXPERIMENT, lambda: mnist.load(FLAGS.dataset, FLAGS.data_dir), strategy)


if __name__ == "__main__":
    command_line.define_flags(
        logs_dir="logs/MNIST_logs/",
        recipes=runs.AUTOENCODER,
        recipe="run5",
        z_dim=3,
        datasets=mnist.DATASETS,
    )
    command_line.define_dense_flags(runs.AUTOENCODER["run5"], activation="tanh", activations=list(layers.ACTIVATIONS))
    flags.DEFINE_bool("mean_loss", False, "Average the L2 loss over the batch, not sum it. By recipe.")
    flags.DEFINE_float("sparsity", 0.0, "Weight of the codes' absolute values in the loss; 2016 had none.")
    command_line.require_number("sparsity")
    command_line.launch(main)
