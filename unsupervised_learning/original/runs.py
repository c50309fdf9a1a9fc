"""Settings of the published 2016 runs, with the source of each value.

The values come from each run's own graph: the `.meta` file beside its checkpoint, or the graph in its event file
(`python -m unsupervised_learning.original graph FILE` prints it). "Code" marks values that are not in a graph.

Settings are named after the scripts' flags. `--recipe=NAME` uses an entry as the defaults; explicit flags override it. Every
autoencoder and VAE, and the first GAN, started with weights of stddev 0.1 and biases of 0.1: `TensorflowUtils.py` ignored its
stddev argument until 5 September 2016 (commit 075655c). From then on the values were 0.02 and 0.
"""

from typing import Any

Settings = dict[str, Any]

START: Settings = {"init_stddev": 0.1, "init_bias": 0.1}  # graphs: `truncated_normal/stddev`, and the constants of the biases

# What most runs have in common. Graphs: the learning rate. Code: batch and iterations.
_AUTOENCODER: Settings = {
    **START,
    "mean_loss": False,
    "regularization": 1e-4,
    "learning_rate": 1e-3,
    "batch_size": 256,
    "max_iterations": 20_001,
}
AUTOENCODER: dict[str, Settings] = {
    # 2016-04-21 03:55 UTC. Graph in its event file: the loss is divided by 100,352 = 784 · 128, so it is the average over a
    # batch of 128; Adam 1e-2. Iterations: the last event.
    "run1": _AUTOENCODER
    | {"mean_loss": True, "regularization": 0.0, "learning_rate": 1e-2, "batch_size": 128, "max_iterations": 10_001},
    # 2016-04-21 04:42 UTC. Graph in its event file. The run was stopped before iteration 12,000.
    "run2": _AUTOENCODER | {"regularization": 1e-2},
    # Graph in its .meta file.
    "run4": _AUTOENCODER | {"regularization": 1e-5},
    # 2016-05-05 07:55 UTC. Graph in its .meta file and its event file.
    "run5": _AUTOENCODER,
}

_VAE: Settings = {
    **START,
    "relu_heads": False,
    "regularization": 1e-5,
    "learning_rate": 1e-3,
    "batch_size": 256,
    "max_iterations": 100_001,
}
VAE: dict[str, Settings] = {
    # 2016-08-20 23:48 UTC, "MNIST_VAE_logs_1". Graph in its .meta file, including the batch (the losses are divided by 256).
    # Iterations: checkpoint 100,000, which was written after that iteration's update.
    "first": _VAE | {"relu_heads": True},
    # 2016-08-24 03:33 UTC, "MNIST_VAE_logs_2". Graph in its .meta file. Code: batch.
    "fixed": _VAE,
}
# The first form's graph computes the KL as −½ Σ(3 + log_var − mu² − exp(log_var)); the 3 should be a 1.
KL_CONSTANT = {"first": 3.0, "fixed": 1.0}

GAN: dict[str, Settings] = {
    # Code 0dd1f4d and 075655c (September 2016): flowers and faces.
    "dcgan": {
        "init_stddev": 0.02,
        "init_bias": 0.0,
        "gamma_stddev": 0.02,
        "shared_normalization": True,
        "bn_decay": 0.9,
        "initializer": "truncated_normal",
        "learning_rate": 2e-4,
        "beta1": 0.5,
        "batch_size": 64,
        "feature_matching": "0.1",
        "generator_steps": 2,
        "discriminator_every": 1,
        "max_iterations": 15_001,  # our choice: the author's plots end at 16,800; his samples give no iteration
    },
    # Code 3f7f8b9 (21 August 2016), `MNIST_GAN.py`. It asks for Xavier initialisation, but `weight_variable` uses stddev 0.1.
    "first_attempt": {
        "init_stddev": 0.1,
        "init_bias": 0.1,
        "gamma_stddev": 0.0,
        "shared_normalization": False,  # `batch_norm` creates beta and gamma with `tf.Variable`, which ignores `reuse`
        "bn_decay": 0.1,
        "initializer": "truncated_normal",
        "learning_rate": 2e-4,
        "beta1": 0.5,
        "batch_size": 128,
        "feature_matching": "0",
        "generator_steps": 1,
        "discriminator_every": 10,
        "max_iterations": 100_001,
    },
}
# Iterations between summaries and between checkpoints. Code, as above.
GAN_CADENCE = {"dcgan": (10, 500), "first_attempt": (100, 1_000)}

# Test-set results of the original's checkpoints on MNIST, measured by `replay`: autoencoder run 5 at 20,000, both VAEs at
# 100,000. Losses are in nats, except the autoencoder's L2, which is l2_loss / 784 for a batch of 256.
RESULTS_OF_2016 = {
    "autoencoder": {"test_l2": 4.447, "test_mse": 0.03474, "knn_accuracy": 0.819, "silhouette": 0.117},
    "vae_first": {"reconstruction": 161.0, "kl": 13.9, "negative_elbo": 174.85, "knn_accuracy": 0.719},
    "vae_fixed": {"reconstruction": 125.1, "kl": 8.59, "negative_elbo": 133.65, "knn_accuracy": 0.840},
}
STATE = "state.npz"  # in the folder of a run of the author's graph, until it is finished: its variables, `done`, `seconds`
ITERATIONS_OF_2016 = {
    "autoencoder": AUTOENCODER["run5"]["max_iterations"],
    **{f"vae_{form}": VAE[form]["max_iterations"] for form in ("first", "fixed")},
}
