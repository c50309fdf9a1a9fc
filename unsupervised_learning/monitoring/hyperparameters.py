"""What TensorBoard's HParams tab shows: a row for each run with its name, its settings and the test set's results."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.bases.image_model import arguments_of
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.vae import VariationalAutoEncoder

MODELS = (AutoEncoder, VariationalAutoEncoder, DCGAN)
RESULTS = {"negative_elbo": "−ELBO, nats", "test_l2": "L2 loss", "knn_accuracy": "kNN accuracy"}  # in results.json → column
SHOWN = ("kl_weight", "regularization", "relu_heads", "seed", "z_dim")  # our choice; TensorBoard hides the others at first
OF_TRAINING = ("batch_size", "beta1", "binarize", "dataset", "jit", "learning_rate", "recipe", "restore_original")
TAG = "ours/test"  # followed by /<name in results.json>


def of_settings(settings: dict[str, Any], began: float | None = None) -> list[Summary]:
    """Return the summaries of a run's settings.

    TensorBoard takes the columns from the first run that names any, so each run names those of all models. If no run named
    any, every scalar would become a column. With an empty trial id, TensorBoard labels the run by its folder. `began` is when
    the run began, in seconds since 1970; by default now.
    """
    names = {*settings, *OF_TRAINING, *(name for build in MODELS for name in arguments_of(build))}
    experiment = api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name, differs=name in SHOWN) for name in sorted(names)],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=f"{TAG}/{name}"), display_name=column)
            for name, column in RESULTS.items()
        ],
    )
    columns = Summary()
    kept = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(experiment=experiment))
    columns.value.add(tag=metadata.EXPERIMENT_TAG, metadata=kept, tensor=metadata.NULL_TENSOR)
    return [columns, hparams_pb(settings, trial_id="", start_time_secs=began)]


def of_results(results: dict[str, Any]) -> list[Summary]:
    """Return the summaries of the results that the tab shows."""
    with np.errstate(over="ignore"):  # TensorBoard's float32 shows the results of a run that went astray as infinite
        found = {name: np.float32(results[name]) for name in RESULTS if results.get(name) is not None}
    return [scalar_pb(f"{TAG}/{name}", value) for name, value in found.items()]


def write_results(logs_dir: Path, iteration: int, results: dict[str, Any]) -> None:
    """Write the results to an event file of their own, in place of an earlier one, because the outputs may be rewritten."""
    for earlier in logs_dir.glob("events.out.tfevents.*.results.v2"):
        earlier.unlink()
    if summaries := of_results(results):
        event_files.write_once(logs_dir / f"events.out.tfevents.{time.time():010.0f}.results.v2", iteration, summaries)
