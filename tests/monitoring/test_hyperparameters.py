"""TensorBoard's HParams tab, as TensorBoard's own plugin reads it: the runs' names, settings and test results."""

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from tests.support import read_events
from unsupervised_learning.monitoring import event_files, hyperparameters

RUNS = {
    "a_deep_one": ({"z_dim": 3, "sparsity": 0.0, "seed": 1}, {"test_l2": 4.5, "knn_accuracy": 0.75, "iterations": 10}),
    "b_vae": ({"z_dim": 2, "kl_weight": 0.5, "relu_heads": True}, {"negative_elbo": 130.5, "silhouette": None}),
    "c_gan": ({"z_dim": 100, "feature_matching": "only"}, {}),
}


@pytest.fixture
def shown(tmp_path) -> tuple[api_pb2.Experiment, dict[str, api_pb2.SessionGroup]]:
    """What the tab gets for three runs that logged a scalar too: the columns, and the rows by name."""
    for name, (settings, results) in RUNS.items():
        (tmp_path / name).mkdir()
        summaries = [*hyperparameters.of_settings(settings), scalar_pb("Loss", 1.0)]
        event_files.write_once(tmp_path / name / "events.out.tfevents.0000000001.v2", 0, summaries)
        hyperparameters.write_results(tmp_path / name, 9, results)
    runs = EventMultiplexer()
    runs.AddRunsFromDirectory(str(tmp_path))
    runs.Reload()
    context = Context(TBContext(data_provider=MultiplexerDataProvider(runs, str(tmp_path))))
    experiment = context.experiment_from_metadata(
        RequestContext(), "", True, context.hparams_metadata(RequestContext(), ""), []
    )
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=10, allowed_statuses=[api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_RUNNING]
    )
    rows = Handler(RequestContext(), context, "", request).run().session_groups
    return experiment, {row.name: row for row in rows}


def test_the_columns_are_all_models_settings_and_three_results(shown):
    experiment, _ = shown
    assert [one.display_name for one in experiment.metric_infos] == ["−ELBO, nats", "L2 loss", "kNN accuracy"]
    names = [one.name for one in experiment.hparam_infos]
    assert names[:5] == list(hyperparameters.SHOWN)  # TensorBoard shows the first five at the start
    assert {"sparsity", "kl_weight", "feature_matching", "learning_rate"} <= set(names)


def test_the_rows_are_named_after_the_folders_and_hold_settings_and_results(shown):
    _, rows = shown
    assert list(rows) == list(RUNS)
    values = {name: {one.name.tag: one.value for one in row.metric_values} for name, row in rows.items()}
    assert values == {
        "a_deep_one": {"ours/test/test_l2": 4.5, "ours/test/knn_accuracy": 0.75},
        "b_vae": {"ours/test/negative_elbo": 130.5},
        "c_gan": {},
    }
    assert rows["b_vae"].hparams["relu_heads"].bool_value is True
    assert rows["c_gan"].hparams["feature_matching"].string_value == "only"


def test_results_replace_earlier_ones(tmp_path):
    for loss in (4.5, 4.25):
        hyperparameters.write_results(tmp_path, 9, {"test_l2": loss})
    assert {key: dict(course) for key, course in read_events(tmp_path).items()} == {("scalars", "ours/test/test_l2"): {9: 4.25}}
    hyperparameters.write_results(tmp_path, 9, {"test_l2": 1e39})
    assert read_events(tmp_path)["scalars", "ours/test/test_l2"][9] == float("inf")
    hyperparameters.write_results(tmp_path, 9, {})
    assert not list(tmp_path.iterdir())
