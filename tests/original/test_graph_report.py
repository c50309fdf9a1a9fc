"""Read, describe and reject 2016 graphs, including the author's own if ORIGINAL_DIR is set."""

import json
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorflow.core.framework import graph_pb2
from tensorflow.core.util import event_pb2

from tests.original.graphs import build_ae, build_vae, dense, graph_def, meta, v1
from tests.support import assert_refused
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.errors import RunError
from unsupervised_learning.original import runs
from unsupervised_learning.original.description import describe
from unsupervised_learning.original.graph_files import ELEMENTS, OPERATIONS, Graph, read_graph, subgraph
from unsupervised_learning.original.graph_report import command_for, nearest
from unsupervised_learning.vae import VariationalAutoEncoder

ORIGINAL = "unsupervised_learning/original/__main__.py"
REAL = Path(os.environ.get("ORIGINAL_DIR", ""))
real_graphs = pytest.mark.skipif(not os.environ.get("ORIGINAL_DIR"), reason="ORIGINAL_DIR is not set")


def record(content: bytes) -> bytes:
    head = struct.pack("<Q", len(content))
    return head + struct.pack("<I", masked_crc32c(head)) + content + struct.pack("<I", masked_crc32c(content))


def events(path, *graphs) -> Path:
    content = [event_pb2.Event(file_version="brain.Event:2")]
    content += [event_pb2.Event(graph_def=graph.SerializeToString()) for graph in graphs]
    path.write_bytes(b"".join(record(event.SerializeToString()) for event in content))
    return path


def described(tmp_path, build, of_2016=True, **options):
    return describe(read_graph(meta(tmp_path / "model.meta", graph_def(build, of_2016, **options))))


@pytest.fixture(scope="module")
def ae_graph():
    return graph_def(build_ae)


# Described


@pytest.mark.parametrize("of_2016", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("options", "expected", "recipe", "flags"),
    [
        ({}, {"regularization": 1e-4, "mean_loss": False, "batch": None}, "run5", ""),
        ({"regularization": 1e-5}, {"regularization": 1e-5}, "run4", ""),
        ({"regularization": 1e-2}, {"regularization": 1e-2}, "run2", ""),
        (
            {"regularization": 0, "divisor": 784.0 * 128, "learning_rate": 1e-2},
            {
                "mean_loss": True,
                "batch": 128,
                "divisors": {"reconstruction": 100_352},
                "regularization": 0,
                "learning_rate": 1e-2,
            },
            "run1",
            "",
        ),
        ({"z_dim": 2, "regularization": 1e-3}, {"z_dim": 2}, "run5", " --z_dim=2 --regularization=0.001"),
        ({"activation": "elu"}, {"activation": "elu", "code_activation": "elu"}, "run5", " --activation=elu"),
        ({"activation": "lrelu"}, {"activation": "lrelu"}, "run5", " --activation=lrelu"),
        ({"activation": "sigmoid"}, {"activation": "sigmoid"}, "run5", " --activation=sigmoid"),
        ({"stddev": 0.02, "bias": 0.0}, {"init_stddev": 0.02, "init_bias": 0}, "run5", " --init_stddev=0.02 --init_bias=0"),
        ({"divisor": 784.0 * 64}, {"batch": 64}, "run5", " --mean_loss --batch_size=64"),
    ],
)
def test_autoencoders(tmp_path, options, expected, recipe, flags, of_2016):
    found = described(tmp_path, build_ae, of_2016, **options)
    assert {name: getattr(found, name) for name in expected} == expected
    assert list(found.variables) == list(AutoEncoder().variables_of_2016())
    assert found.variables["W_fc4"] == "W_fc4"
    assert found.slots["b_fc6"] == ("b_fc6/Adam", "b_fc6/Adam_1")
    assert (found.model, found.input, found.noise, found.update) == ("AutoEncoder", "Placeholder:0", None, "Adam")
    assert len(found.initializers) == 12 * 3 + 2
    assert found.tags["scalars"] == ("Loss",)
    name, differences = nearest(found)
    assert name == recipe
    assert command_for(found, name, differences) == f"python train_ae.py --recipe={recipe}{flags}"


@pytest.mark.parametrize("of_2016", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("options", "expected", "recipe", "flags"),
    [
        ({}, {"relu_heads": False, "kl_constant": 1, "kl_weight": 1, "batch": None, "mean_loss": True}, "fixed", ""),
        (
            {"heads": "relu", "constant": 3.0, "batch": 256.0},
            {"relu_heads": True, "kl_constant": 3, "kl_weight": 1, "batch": 256, "mean_loss": True, "kl_average": "sum / 256"},
            "first",
            "",
        ),
        ({"constant": 2.0}, {"kl_constant": 2}, "fixed", ""),
        ({"kl_weight": 0.5, "batch": 128.0}, {"kl_weight": 0.5, "batch": 128}, "fixed", " --kl_weight=0.5 --batch_size=128"),
        ({"z_dim": 20, "activation": "tanh"}, {"z_dim": 20, "activation": "tanh"}, "fixed", " --z_dim=20 --activation=tanh"),
        ({"half": lambda x: x / 2.0}, {"kl_weight": 1}, "fixed", ""),
        ({"mean": False}, {"mean_loss": False, "reconstruction_average": "sum"}, "fixed", ""),
    ],
)
def test_vaes(tmp_path, options, expected, recipe, flags, of_2016):
    found = described(tmp_path, build_vae, of_2016, **options)
    assert {name: getattr(found, name) for name in expected} == expected
    assert list(found.variables) == list(VariationalAutoEncoder().variables_of_2016())
    assert (found.model, found.input, found.noise) == ("VariationalAutoEncoder", "input_image:0", "epsilon:0")
    assert found.losses.keys() >= {"loss", "reconstruction", "kl", "regularization"}
    name, differences = nearest(found)
    assert name == recipe
    assert command_for(found, name, differences) == f"python train_vae.py --recipe={recipe}{flags}"


@pytest.mark.parametrize(
    ("build", "options", "setting", "graph", "recipe"),
    [
        (build_vae, {"constant": 2.0}, "kl_constant", 2.0, 1.0),
        (build_vae, {"mean": False}, "mean_loss", False, True),
        (build_vae, {"heads": "tanh"}, "heads_activation", "tanh", "linear"),
        (build_vae, {"width": 100}, "width", 100, 50),
        (build_ae, {"width": 20}, "width", 20, 50),
        (build_ae, {"code": "linear"}, "code_activation", "linear", "tanh"),
        (build_ae, {"odd_bias": 0.2}, "init_bias", "constant 0.1, constant 0.2", 0.1),
        (build_ae, {"only_weights": True}, "regularized", "6 variables", "12 variables"),
        (build_ae, {"beta1": 0.5}, "beta1", 0.5, 0.9),
        (build_ae, {"divisor": 392.0}, "reconstruction_weight", 2.0, 1.0),
        (build_ae, {"z_dim": 800}, "z_dim", 800, 3),
    ],
)
def test_differences_without_a_flag_are_reported(tmp_path, build, options, setting, graph, recipe):
    _, differences = nearest(described(tmp_path, build, **options))
    assert [(each.setting, each.graph, each.recipe, each.flag) for each in differences] == [(setting, graph, recipe, None)]
    assert "flag" in differences[0].note


def test_the_loss_equals_what_tensorflow_computes(tmp_path):
    """The description's parts and weights add up to the value of the graph's own loss tensor."""
    for build, options in [
        (build_ae, {"regularization": 0.01}),
        (build_vae, {"constant": 3.0, "batch": 8.0, "kl_weight": 0.5}),
    ]:
        graph = read_graph(meta(tmp_path / "a.meta", graph_def(build, **options)))
        found = describe(graph)
        cut = subgraph(graph, [*found.losses.values(), found.update, *found.initializers])
        images = np.random.default_rng(0).uniform(size=(8, 784)).astype(np.float32)
        with tf.Graph().as_default():
            v1.import_graph_def(cut, name="")
            with v1.Session() as session:
                session.run(list(found.initializers))
                values = session.run(found.losses, {found.input: images})
                session.run(found.update, {found.input: images})
                assert session.run(found.powers[0] + ":0") == pytest.approx(0.81)
        parts = values["reconstruction"] + found.regularization * values["regularization"]
        assert values["loss"] == pytest.approx(parts + (found.kl_weight or 0) * values.get("kl", 0.0), rel=1e-5)


# Rejected


def two_adams():
    build_ae()
    with v1.variable_scope("second"):
        build_ae()


def one_layer():
    images = v1.placeholder(tf.float32, [None, 784])
    x, _ = dense(images, 1, (784, 10), "linear")
    v1.train.AdamOptimizer().minimize(tf.reduce_mean(x))


def by_sgd():
    images = v1.placeholder(tf.float32, [None, 784])
    x, _ = dense(images, 1, (784, 784), "linear")
    v1.train.GradientDescentOptimizer(0.1).minimize(tf.nn.l2_loss(x - images))


@pytest.mark.parametrize(
    ("build", "options", "said"),
    [
        (one_layer, {}, "0 l2_loss"),
        (by_sgd, {}, "ApplyGradientDescent"),
        (build_ae, {"sizes": [784, 50, 3, 50, 784]}, "not 2016's autoencoder"),
        (build_ae, {"sizes": [784, 50, 40, 3, 40, 50, 784]}, "784-50-40-3-40-50-784"),
        (build_ae, {"extra": lambda x: tf.reduce_sum(tf.abs(x))}, "unknown terms"),
        (two_adams, {}, "not 2016's autoencoder"),
    ],
)
def test_other_graphs_are_rejected(tmp_path, build, options, said):
    made = graph_def(lambda: build(**options) if build is build_ae else build())
    if build is build_ae and "extra" in options:
        made = graph_def(build, True, **options)
    with pytest.raises(RunError, match=said) as error:
        describe(read_graph(meta(tmp_path / "a.meta", made)))
    assert "\n" not in str(error.value)


def test_adam_with_other_initial_powers_is_rejected(tmp_path):
    graph = graph_def(build_ae, True)
    next(node for node in graph.node if node.name == "beta1_power/initial_value").attr["value"].tensor.float_val[:] = [0.5]
    with pytest.raises(RunError, match=r"beta1_power starts at constant 0.5, not at Adam's 0.9"):
        describe(read_graph(meta(tmp_path / "a.meta", graph)))


def test_unsafe_operations_are_rejected(tmp_path, ae_graph):
    for op in ("ReadFile", "WriteFile", "PyFunc", "SaveSlices", "RestoreSlice", "Print", "While", "HistogramSummary"):
        assert op not in OPERATIONS
        graph = graph_pb2.GraphDef.FromString(ae_graph.SerializeToString())
        graph.node.add(name="evil/node", op=op)
        next(node for node in graph.node if node.name == "Adam").input.append("^evil/node")
        with pytest.raises(RunError, match=rf"evil/node.*{op}"):
            subgraph(read_graph(meta(tmp_path / "a.meta", graph)), ["Adam"])


def test_subgraphs_have_no_functions_devices_or_hints(tmp_path, ae_graph):
    graph = graph_pb2.GraphDef.FromString(ae_graph.SerializeToString())
    graph.library.function.add().signature.name = "f"
    for node in graph.node:
        node.device = "/job:elsewhere"
        node.attr["_class"].list.s.append(b"loc:@W_fc1")
    found = subgraph(read_graph(meta(tmp_path / "a.meta", graph)), ["Adam", "Placeholder:0"])
    assert not found.library.function
    assert all(not node.device and not any(key.startswith("_") for key in node.attr) for node in found.node)
    assert {node.op for node in found.node} <= OPERATIONS
    assert not any("shared_name" in node.attr for node in found.node)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda node: node.attr["value"].tensor.tensor_shape.dim.add(size=2**40), "at most"),
        (lambda node: node.attr["value"].tensor.tensor_shape.dim.add(size=-1), "no shape"),
        (lambda node: setattr(node.attr["value"].tensor, "tensor_content", b"123"), "does not fill"),
        (lambda node: node.attr.clear(), "no shape"),
        (lambda node: node.input.append("^missing"), "missing"),
        (lambda node: node.input.append("a:b:c"), "a:b:c"),
        (lambda node: setattr(node, "name", "a b\n"), "name"),
        (lambda node: node.input.append("^W_fc1/Assign"), "cycle"),
    ],
)
def test_damaged_nodes_are_refused(tmp_path, ae_graph, change, said):
    graph = graph_pb2.GraphDef.FromString(ae_graph.SerializeToString())
    change(next(node for node in graph.node if node.op == "Const" and node.name == "truncated_normal/shape"))
    with pytest.raises(RunError, match=said) as error:
        subgraph(read_graph(meta(tmp_path / "a.meta", graph)), ["Adam", "W_fc1/Assign"])
    assert "\n" not in str(error.value)


def test_sizes_are_bounded(tmp_path):
    graph = graph_pb2.GraphDef()
    node = graph.node.add(name="a", op="Const")
    node.attr["dtype"].type = node.attr["value"].tensor.dtype = tf.int32.as_datatype_enum
    node.attr["value"].tensor.tensor_shape.dim.add(size=2)
    node.attr["value"].tensor.int_val.append(9_000)  # twice: 81,000,000 elements
    with pytest.raises(RunError, match=f"{ELEMENTS:,}"):
        subgraph(read_graph(meta(tmp_path / "a.meta", graph)), ["a"])
    for _ in range(12):
        other = graph.node.add(name=f"v{_}", op="Variable")
        for size in (2_000, 2_000):
            other.attr["shape"].shape.dim.add(size=size)
    with pytest.raises(RunError, match="48,000,002 elements"):
        read_graph(meta(tmp_path / "a.meta", graph))
    with pytest.raises(RunError, match="no node b"):
        subgraph(Graph(tmp_path, {}, 10), ["b"])


def test_event_files(tmp_path, ae_graph):
    first, second = ae_graph, graph_def(build_ae, z_dim=2)
    assert describe(read_graph(events(tmp_path / "a", first, second))).z_dim == 3  # the first graph of two
    with pytest.raises(RunError, match="no graph among its 1 events"):
        read_graph(events(tmp_path / "a"))
    content = events(tmp_path / "a", first).read_bytes()
    header = len(events(tmp_path / "b").read_bytes()) + 3  # inside the length field of the second record
    for place, said in [(20, "checksum"), (header, "no record begins"), (5_000, "checksum")]:
        (tmp_path / "b").write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(RunError, match=said):
            read_graph(tmp_path / "b")
    huge = struct.pack("<Q", 2**60)
    (tmp_path / "b").write_bytes(huge + struct.pack("<I", masked_crc32c(huge)))
    with pytest.raises(RunError, match="at most"):
        read_graph(tmp_path / "b")


@pytest.mark.parametrize("kind", [meta, events])
def test_truncated_files_are_refused(tmp_path, ae_graph, kind):
    whole = kind(tmp_path / "a", ae_graph).read_bytes()
    for length in {0, 1, 11, 12, 13, *range(100, len(whole), 997), len(whole) - 1}:
        (tmp_path / "a").write_bytes(whole[:length])
        with pytest.raises(RunError) as error:
            read_graph(tmp_path / "a")
        assert "\n" not in str(error.value)


def test_random_damage_gives_a_description_or_a_one_line_error(tmp_path, ae_graph):
    random = np.random.default_rng(0)
    graph = graph_pb2.GraphDef.FromString(ae_graph.SerializeToString())
    whole = np.frombuffer(meta(tmp_path / "a", graph).read_bytes(), np.uint8)
    outcomes = set()
    for _ in range(150):
        damaged = whole.copy()
        places = random.integers(0, len(whole), random.integers(1, 4))
        damaged[places] = random.integers(0, 256, len(places))
        (tmp_path / "a").write_bytes(damaged.tobytes())
        try:
            read = read_graph(tmp_path / "a")
            found = describe(read)
            subgraph(read, [found.update, *found.initializers, *found.losses.values()])
            json.dumps(found.__dict__)
            outcomes.add("described")
        except RunError as error:
            outcomes.add("refused" if "\n" not in str(error) else f"refused in several lines: {error}")
    assert outcomes == {"described", "refused"}


@pytest.mark.parametrize("content", [b"", b"text\n" * 100, b"\x89PNG\r\n\x1a\n" + bytes(500), b"\x0a" * 3_000, bytes(3_000)])
def test_files_that_are_not_graphs_are_refused(run_script, tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert_refused(run_script(ORIGINAL, "graph", str(tmp_path / "a")), "expected a .meta file")


def test_a_checkpoint_beside_its_graph(run_script, tmp_path):
    (tmp_path / "model.ckpt-1").write_bytes(bytes(100))
    (tmp_path / "model.ckpt-1.meta").write_bytes(b"")
    assert_refused(run_script(ORIGINAL, "graph", str(tmp_path / "model.ckpt-1")), "expected model.ckpt-1.meta")


def test_folders_and_missing_files(run_script, tmp_path):
    assert_refused(run_script(ORIGINAL, "graph", str(tmp_path)), "a folder", ".meta")
    assert_refused(run_script(ORIGINAL, "graph", str(tmp_path / "a")), "no such file", ".meta")
    assert_refused(run_script(ORIGINAL, "graph"), "graph FILE")


# The command


def test_report(run_script, tmp_path):
    path = meta(tmp_path / "a.meta", graph_def(build_ae, True, z_dim=2, regularization=1e-3, width=20))
    run = run_script(ORIGINAL, "graph", str(path))
    assert (run.status, run.err) == (0, "")
    lines = run.out.splitlines()
    assert all(len(line) <= 80 for line in lines[1:])
    assert "regularization: 0.001; run5 has 0.0001" in run.out
    assert "width: 20; run5 has 50 (no flag sets it)" in run.out
    assert lines[-2:] == [
        "Nearest run that flags allow here:",
        "  python train_ae.py --recipe=run5 --z_dim=2 --regularization=0.001",
    ]


def test_json(run_script, tmp_path):
    path = meta(tmp_path / "a.meta", graph_def(build_vae, True, constant=2.0))
    run = run_script(ORIGINAL, "graph", str(path), "--json")
    found = json.loads(run.out)
    assert found["description"]["kl_constant"] == 2
    assert [each["setting"] for each in found["differences"]] == ["kl_constant"]
    assert found["command"] == "python train_vae.py --recipe=fixed"
    assert "training is the same" in " ".join(run_script(ORIGINAL, "graph", str(path)).out.split())


# The author's own graphs


REALS = {
    "ae_run1": ("run1", "l2_loss(output − input) / 100352"),
    "ae_run2": ("run2", "l2_loss(output − input) / 784 + 0.01 · Σ l2_loss(each W and b)"),
    "ae_run5": ("run5", "l2_loss(output − input) / 784 + 0.0001 · Σ l2_loss(each W and b)"),
    "vae_relu_heads": (
        "first",
        "Σ entropy / 256 + (−½ Σ(3 + log_var − mu² − exp(log_var))) / 256 + 1e-05 · Σ l2_loss(each W and b)",
    ),
    "vae": ("fixed", "mean(Σ entropy + (−½ Σ(1 + log_var − mu² − exp(log_var)))) + 1e-05 · Σ l2_loss(each W and b)"),
}


@real_graphs
@pytest.mark.parametrize("folder", list(REALS))
def test_the_authors_graphs(folder):
    recipe, formula = REALS[folder]
    (path,) = [path for path in (REAL / folder).iterdir() if path.suffix == ".meta" or "tfevents" in path.name]
    graph = read_graph(path)
    found = describe(graph)
    assert nearest(found) == (recipe, [])
    assert found.loss_formula == formula
    vae = folder.startswith("vae")
    settings = (runs.VAE if vae else runs.AUTOENCODER)[recipe]
    assert found.layers == (784, 50, 50, 3, 50, 50, 784)
    assert (found.learning_rate, found.beta1, found.beta2, found.epsilon) == (settings["learning_rate"], 0.9, 0.999, 1e-8)
    assert (found.init_stddev, found.init_bias) == (0.1, 0.1)
    assert found.batch == {"ae_run1": 128, "vae_relu_heads": 256}.get(folder)
    model = VariationalAutoEncoder() if vae else AutoEncoder()
    shapes = {name: tuple(each.shape) for name, each in model.variables_of_2016().items()}
    assert {
        name: tuple(dim.size for dim in graph.nodes[found.variables[name]].attr["shape"].shape.dim) for name in found.variables
    } == shapes
    assert found.variables.get("b_fc3") == {"ae_run1": "fc3/b_fc2", "ae_run2": "fc3/b_fc2", "ae_run5": "b_fc3"}.get(folder)
    assert len(found.initializers) == 3 * len(shapes) + 2
    assert (
        found.losses
        == {
            "ae_run1": {"loss": "div:0", "reconstruction": "div:0"},
            "ae_run2": {"loss": "add:0", "reconstruction": "div:0", "regularization": "AddN:0"},
            "ae_run5": {"loss": "add:0", "reconstruction": "div:0", "regularization": "AddN:0"},
            "vae_relu_heads": {"loss": "add_3:0", "reconstruction": "div:0", "kl": "div_1:0", "regularization": "AddN:0"},
            "vae": {"loss": "add_3:0", "reconstruction": "Sum:0", "kl": "mul_1:0", "regularization": "AddN:0"},
        }[folder]
    )
    cut = subgraph(graph, [found.update, *found.initializers, *found.losses.values()])
    with tf.Graph().as_default():
        v1.import_graph_def(cut, name="")


@real_graphs
@pytest.mark.parametrize("name", ["ae_run5/model.ckpt-20000", "ae_run5/checkpoint0.txt", "vae/generated_3.png"])
def test_the_authors_other_files(name):
    with pytest.raises(RunError, match=re.escape(name)):
        read_graph(REAL / name)


@real_graphs
def test_the_authors_graph_truncated(tmp_path):
    whole = (REAL / "ae_run5/model.ckpt-20000.meta").read_bytes()
    expected = read_graph(REAL / "ae_run5/model.ckpt-20000.meta").nodes
    outcomes = []
    for length in range(0, len(whole), 1_500):
        (tmp_path / "a").write_bytes(whole[:length])
        try:
            outcomes.append(read_graph(tmp_path / "a").nodes == expected)
        except RunError:
            outcomes.append(None)
    assert False not in outcomes  # only content after the graph may be missing
    assert outcomes.count(None) > 40


def test_reading_changes_nothing(tmp_path, ae_graph):
    graph = read_graph(meta(tmp_path / "a.meta", ae_graph))
    before = {name: node.SerializeToString(deterministic=True) for name, node in graph.nodes.items()}
    describe(graph)
    assert before == {name: node.SerializeToString(deterministic=True) for name, node in graph.nodes.items()}
