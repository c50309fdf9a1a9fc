"""Find the initial values, Adam and the logged tags in a 2016 graph."""

import dataclasses
import math

import numpy as np
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.framework.types_pb2 import DT_STRING

from unsupervised_learning.errors import RunError
from unsupervised_learning.original.graph_files import VARIABLES, Graph, attribute, closure, reference, short
from unsupervised_learning.original.loss_terms import Reader

START_OPERATIONS = {"Const", "Identity", "Add", "AddV2", "Mul", "Fill", "TruncatedNormal", "RandomStandardNormal"}
STARTS = {  # patterns, as in `loss_terms`
    "constant": ("Fill", "shape", "value"),
    "truncated normal": ("Add", 0.0, ("Mul", ("TruncatedNormal", "shape"), "value:Const")),
    "normal": ("Add", 0.0, ("Mul", ("RandomStandardNormal", "shape"), "value:Const")),
}
SUMMARIES = {"ScalarSummary": "scalars", "HistogramSummary": "histograms", "ImageSummary": "images"}
TAG = 200  # characters


@dataclasses.dataclass(frozen=True)
class Start:
    """Initial value of a variable.

    Attributes:
        kind: "truncated normal" (mean 0), "constant", or a description of another kind.
        value: the stddev or the constant; nan for other kinds.
    """

    kind: str
    value: float

    def __str__(self) -> str:
        return self.kind if math.isnan(self.value) else f"{self.kind} {self.value:g}"


@dataclasses.dataclass(frozen=True)
class Adam:
    """The Adam optimizer of a graph.

    Attributes:
        learning_rate, beta1, beta2, epsilon: settings.
        update: node that updates all variables.
        slots: variables of Adam's m and v, by variable.
        powers: variables of the powers of beta1 and beta2.
    """

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    update: str
    slots: dict[str, tuple[str, str]]
    powers: tuple[str, str]


def find_adam(graph: Graph) -> Adam:
    """Read Adam's settings from the inputs of the ApplyAdam nodes.

    Raises:
        RunError: unless there is exactly one Adam, with constant settings.
    """
    reader = Reader(graph)
    updates = [node for node in graph.nodes.values() if node.op == "ApplyAdam"]
    others = sorted({node.op for node in graph.nodes.values() if node.op.startswith(("Apply", "SparseApply", "ResourceApply"))})
    if not updates or others != ["ApplyAdam"]:
        found = short(", ".join(others)) or "no optimizer"
        raise RunError(f"{graph.path} is not 2016's autoencoder or VAE: it has {found}; expected only ApplyAdam")
    slots: dict[str, tuple[str, str]] = {}
    settings: set[tuple[float, float, float, float]] = set()
    powers: set[tuple[str, str]] = set()
    for node in updates:
        variable, momentum, velocity, *rest = reader.operands(node, 10)
        numbers = [number for each in rest[2:6] if (number := reader.number(each)) is not None]
        if len(numbers) < 4:
            raise reader.refuse(node, "a constant learning rate, beta1, beta2 and epsilon")
        if attribute(node, "use_nesterov").b:
            raise reader.refuse(node, "Adam without Nesterov momentum")
        if variable.name in slots or any(each.op not in VARIABLES for each in (variable, momentum, velocity, *rest[:2])):
            raise reader.refuse(node, "a separate variable with Adam's m, v and powers")
        if not reader.shape(variable) == reader.shape(momentum) == reader.shape(velocity):
            raise reader.refuse(node, "m and v in the shape of their variable")
        slots[variable.name] = (momentum.name, velocity.name)
        settings.add((numbers[0], numbers[1], numbers[2], numbers[3]))
        powers.add((rest[0].name, rest[1].name))
    if len(settings) > 1 or len(powers) > 1:
        raise RunError(f"{graph.path} is not 2016's autoencoder or VAE: it has {len(powers)} Adam optimizers; expected one")
    return Adam(*settings.pop(), update_node(graph, {node.name for node in updates}), slots, powers.pop())


def update_node(graph: Graph, updates: set[str]) -> str:
    """Return the node that runs all of Adam: the first NoOp that depends on every ApplyAdam."""
    for node in graph.nodes.values():
        if node.op == "NoOp" and updates <= {reference(each)[0] for each in node.input}:
            return node.name
    raise RunError(f"{graph.path}: no operation runs all {len(updates)} updates of Adam; expected one, such as Adam")


def find_starts(reader: Reader, variables: list[str]) -> dict[str, tuple[str, Start]]:
    """Return each variable's initialising Assign node and its initial value.

    Raises:
        RunError: unless each variable has exactly one.
    """
    graph = reader.graph
    found: dict[str, tuple[str, Start]] = {}
    wanted = set(variables)
    for node in graph.nodes.values():
        if node.op != "Assign":
            continue
        variable, value = reader.operands(node, 2)
        if variable.name not in wanted:
            continue
        if not {each.op for each in closure(graph, [value.name]).values()} <= START_OPERATIONS:
            continue  # an update, or a restored checkpoint
        if variable.name in found:
            raise reader.refuse(node, f"one initial value for {short(variable.name)}, not two")
        found[variable.name] = (node.name, start(reader, value, reader.shape(variable)))
    missing = [name for name in variables if name not in found]
    if missing:
        raise RunError(f"{graph.path}: {short(missing[0])} has no initial value; expected a constant or a truncated normal")
    return found


def start(reader: Reader, node: NodeDef, shape: tuple[int, ...]) -> Start:
    """Describe the initial value that a node assigns to a variable of this shape.

    Raises:
        RunError: if the value has another shape.
    """
    if node.op == "Const":
        value = reader.graph.constant(node)
        if value.shape != shape:
            raise reader.refuse(node, f"an initial value of shape {shape}")
        if value.dtype == np.float32 and value.size and (value == value.flat[0]).all() and np.isfinite(value.flat[0]):
            return Start("constant", float(str(value.flat[0])))
        return Start("different constants", math.nan)
    for kind, pattern in STARTS.items():
        found = reader.match(node, pattern)
        value = reader.number(found["value"]) if found else None
        if found and value is not None:
            if kind != "constant" and tuple(np.ravel(reader.graph.constant(found["shape"])).tolist()) != shape:
                raise reader.refuse(node, f"a draw of shape {shape}")
            return Start(kind, value)
    return Start("another start", math.nan)


def find_tags(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return a graph's logged tags by kind (scalars, histograms, images), in the file's order."""
    tags: dict[str, list[str]] = {kind: [] for kind in SUMMARIES.values()}
    for node in graph.nodes.values():
        if node.op not in SUMMARIES or not node.input:
            continue
        tag = graph.nodes[reference(node.input[0])[0]]
        if tag.op != "Const" or attribute(tag, "value").tensor.dtype != DT_STRING:
            continue
        for text in attribute(tag, "value").tensor.string_val:
            tags[SUMMARIES[node.op]].append(short(text[:TAG].decode("utf-8", "replace")))
    return {kind: tuple(found) for kind, found in tags.items()}
