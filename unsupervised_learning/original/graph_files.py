"""Read 2016's graphs from `.meta` and event files, and reduce them to the nodes needed to run them.

Files are untrusted. They are parsed, never executed; sizes are checked before memory is allocated; `subgraph` returns only
operations and attributes on an allowlist. Nothing here passes a graph to TensorFlow.
"""

import dataclasses
import graphlib
import math
import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorflow.core.framework.attr_value_pb2 import AttrValue
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.util.event_pb2 import Event

from unsupervised_learning.errors import RunError, reason

# Limits. The largest published graph has 172,614 bytes and 1,083 nodes; its largest variable has 39,200 elements.
META_BYTES = 16 * 2**20  # per .meta file, and per record of an event file
EVENT_BYTES = 256 * 2**20  # searched for the graph in an event file; 2016's writer puts it at the beginning
NODES = 10_000
INPUTS = 1_000  # per node
NAME = 400  # characters
DIMENSION = 10_000  # per dimension of a constant or variable; this also bounds matrix products
RANK = 4
ELEMENTS = 4_000_000  # per constant or variable
ALL_ELEMENTS = 40_000_000  # in total

# First block: used by the published graphs for losses, gradients, updates and initial values. Second block: used by the 2016
# code's other activations and by later versions of TensorFlow. They only compute numbers from numbers: none reads or writes a
# file, runs Python, prints, waits, loops or calls a function.
OPERATIONS = frozenset(
    """
    Add AddN ApplyAdam Assign BroadcastGradientArgs Cast Const Div DynamicStitch Exp Fill Greater GreaterEqual Identity Inv
    L2Loss Log MatMul Maximum Mean Mod Mul Neg NoOp Placeholder Pow Prod RandomStandardNormal Range Relu ReluGrad Reshape Select
    Shape Size Square Sub Sum Tanh Tile TruncatedNormal Variable ZerosLike

    Abs AddV2 BiasAdd BiasAddGrad BroadcastTo Elu EluGrad Equal ExpandDims FloorDiv FloorMod InvGrad LessEqual Log1p
    LogicalAnd LogicalNot Minimum NotEqual OnesLike Rank RealDiv Reciprocal ReciprocalGrad SelectV2 Sigmoid SigmoidGrad Sign
    Sqrt SqrtGrad Squeeze StopGradient TanhGrad VariableV2 Xdivy
    """.split()  # noqa: SIM905  (plain words read better than 70 quoted strings)
)
VARIABLES = ("Variable", "VariableV2")
# Attributes of these operations, except `container` and `shared_name`, which share variables between sessions.
ATTRIBUTES = frozenset(
    """
    DstT N SrcT T T1 T2 Tdim Tidx Tmultiples Tshape Truncate data_format dtype grad_a grad_b index_type keep_dims out_type
    seed seed2 shape squeeze_dims transpose_a transpose_b use_locking use_nesterov validate_shape value
    """.split()  # noqa: SIM905
)
NUMBERS = tuple(dtype.as_datatype_enum for dtype in (tf.float32, tf.int32, tf.int64, tf.bool))
NAME_OF_NODE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")
INPUT = re.compile(r"\^([^:^]+)|([^:^]+)(?::(\d{1,3}))?")
HEADER = struct.Struct("<QI")  # of a record: its length, and the checksum of the length


@dataclasses.dataclass(frozen=True, eq=False)  # prevents comparing 1,000 nodes by accident
class Graph:
    """A graph as stored in its file.

    Attributes:
        path: path of the file.
        nodes: nodes by name, in the file's order, including every input of every node.
        producer: graph format version: 8 is TensorFlow 0.8, 9 and 10 are 0.9 and 0.10.
    """

    path: Path
    nodes: dict[str, NodeDef]
    producer: int

    def inputs(self, node: NodeDef) -> list[NodeDef]:
        """Return the nodes that are a node's data inputs, in order.

        Raises:
            RunError: if an input is not a node's first output; 2016's losses use no others.
        """
        data = [reference(each) for each in node.input if not each.startswith("^")]
        if any(output for _, output in data):
            raise RunError(f"{self.path}: {short(node.name)} has the inputs {short(str(data))}; expected only first outputs")
        return [self.nodes[name] for name, _ in data]

    def constant(self, node: NodeDef) -> np.ndarray:
        """Return the value of a Const node.

        Raises:
            RunError: if the node is not a Const, or its value is damaged or not numeric.
        """
        tensor = attribute(node, "value").tensor
        if node.op != "Const" or tensor.dtype not in NUMBERS:
            raise RunError(f"{self.path}: {short(node.name)} is of type {short(node.op)}; expected Const, of numbers")
        shape = tuple(dim.size for dim in tensor.tensor_shape.dim)  # `size_of` has checked it
        with suppress(ValueError, TypeError, OverflowError):
            value = tf.make_ndarray(tensor)
            if value.shape == shape:
                return value
        raise RunError(f"{self.path} is damaged: the constant {short(node.name)} does not fill its shape {list(shape)}")


def short(text: str, longest: int = 80) -> str:
    """Return text from a file made safe for a message: printable, and cut to a length."""
    text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def attribute(node: NodeDef, key: str) -> AttrValue:
    """Return an attribute, or an empty one if missing; unlike `node.attr[key]`, this never adds one to the node."""
    return node.attr[key] if key in node.attr else AttrValue()


def reference(text: str) -> tuple[str, int]:
    """Parse an input (`name`, `name:1` or, for a control input, `^name`) into node and output number.

    Raises:
        ValueError: if the text has none of these forms.
    """
    match = INPUT.fullmatch(text)
    if not match:
        raise ValueError(text)
    return match[1] or match[2], int(match[3] or 0)


# Reading


def read_graph(path: str | Path) -> Graph:
    """Read the graph in a `.meta` file, or the first graph in an event file: the one written when the run began.

    The kind of file is detected from its content.

    Raises:
        RunError: if the file is of another kind, damaged, truncated or too large, or holds no graph.
    """
    path = Path(os.path.expanduser(path))
    try:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file" if path.exists() else "no such file"
            raise RunError(f"{short(str(path))}: {what}; expected a .meta file or an event file of 2016's code")
        with path.open("rb") as file:
            head = file.read(HEADER.size)
            file.seek(0)
            if not head:
                raise RunError(f"{path} is empty; expected a .meta file or an event file")
            if is_record(head):
                return validated(graph_of_events(path, file), path)
            return validated(graph_of_meta(path, file), path)
    except RunError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise RunError(f"cannot read {short(str(path))}: {short(reason(error))}") from None


def is_record(head: bytes) -> bool:
    """Whether these bytes begin a record: a length and its checksum."""
    return len(head) == HEADER.size and HEADER.unpack(head)[1] == masked_crc32c(head[:8])


def graph_of_meta(path: Path, file: BinaryIO) -> GraphDef:
    """Parse the graph in a `.meta` file."""
    content = file.read(META_BYTES + 1)
    if len(content) > META_BYTES:
        raise RunError(f"{path} is larger than {META_BYTES:,} bytes; expected a .meta file or an event file of 2016's code")
    try:
        graph = MetaGraphDef.FromString(content).graph_def
    except DecodeError:
        beside = path.with_name(f"{path.name}.meta")
        expected = f"{beside.name}, in the same folder" if beside.is_file() else "a .meta file or an event file of 2016's code"
        raise RunError(
            f"{path} is of another kind, truncated or damaged: its {len(content):,} bytes do not parse; expected {expected}"
        ) from None
    if not graph.node:
        raise RunError(f"{path} holds no graph; expected a .meta file (not the checkpoint beside it) or an event file")
    return graph


def graph_of_events(path: Path, file: BinaryIO) -> GraphDef:
    """Parse the first graph in an event file."""
    count = 0
    for count, record in enumerate(records(path, file), start=1):
        try:
            graph_def = Event.FromString(record).graph_def
            if graph_def:
                return GraphDef.FromString(graph_def)
        except DecodeError:
            raise RunError(f"{path} is damaged: record {count} does not parse as an event and graph") from None
    raise RunError(f"{path} holds no graph among its {count:,} events; expected the run's first event file")


def records(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Yield an event file's records, with verified checksums; a truncated last record, as left by a killed run, is skipped."""
    while head := file.read(HEADER.size):
        if len(head) < HEADER.size:
            return
        if not is_record(head):
            raise RunError(f"{path} is damaged: no record begins at byte {file.tell() - len(head):,}")
        length = HEADER.unpack(head)[0]
        if length > META_BYTES:
            raise RunError(f"{path}: a record of {length:,} bytes; expected at most {META_BYTES:,}")
        if file.tell() > EVENT_BYTES:
            raise RunError(f"{path} holds no graph in its first {EVENT_BYTES:,} bytes; expected the run's first event file")
        content = file.read(length + 4)
        if len(content) < length + 4:
            return
        record, checksum = content[:-4], struct.unpack("<I", content[-4:])[0]
        if checksum != masked_crc32c(record):
            raise RunError(f"{path} is damaged: wrong checksum of the record that ends at byte {file.tell():,}")
        yield record


def validated(graph: GraphDef, path: Path) -> Graph:
    """Check a graph's node names, inputs and sizes, and return it as a `Graph`."""
    if not graph.node:
        raise RunError(f"{path} holds a graph without nodes; expected a .meta file or an event file of 2016's code")
    if len(graph.node) > NODES:
        raise RunError(f"{path} holds a graph of {len(graph.node):,} nodes; expected at most {NODES:,}")
    nodes = {node.name: node for node in graph.node}
    if len(nodes) < len(graph.node):
        raise RunError(f"{path} is damaged: {len(graph.node) - len(nodes)} duplicate node names")
    elements = 0
    for node in graph.node:
        if not NAME_OF_NODE.fullmatch(node.name) or len(node.name) > NAME:
            raise RunError(f"{path} is damaged: {short(node.name)!r} is not a valid node name")
        if len(node.input) > INPUTS:
            raise RunError(f"{path}: {short(node.name)} has {len(node.input):,} inputs; expected at most {INPUTS:,}")
        for each in node.input:
            try:
                missing = reference(each)[0] not in nodes
            except ValueError:
                raise RunError(f"{path} is damaged: {short(node.name)} has the invalid input {short(each)!r}") from None
            if missing:
                raise RunError(f"{path} is truncated or damaged: {short(node.name)} needs {short(each)}, which is missing")
        elements += size_of(node, path)
    if elements > ALL_ELEMENTS:
        raise RunError(f"{path}: its constants and variables have {elements:,} elements; expected at most {ALL_ELEMENTS:,}")
    return Graph(path, nodes, graph.versions.producer)


def size_of(node: NodeDef, path: Path) -> int:
    """Return the number of elements of a constant or variable; 0 for other nodes."""
    if node.op == "Const":
        shape = attribute(node, "value").tensor.tensor_shape if "value" in node.attr else None
    elif node.op in VARIABLES:
        shape = attribute(node, "shape").shape if "shape" in node.attr else None
    else:
        return 0
    if shape is None or shape.unknown_rank or any(dim.size < 0 for dim in shape.dim):
        raise RunError(f"{path} is damaged: the {short(node.op)} {short(node.name)} has no shape")
    sizes = [dim.size for dim in shape.dim[: RANK + 1]]
    if len(sizes) > RANK or any(size > DIMENSION for size in sizes) or math.prod(sizes) > ELEMENTS:
        given = " × ".join(f"{size:,}" for size in sizes)
        raise RunError(
            f"{path}: the {short(node.op)} {short(node.name)} has size {given}; expected at most {RANK} dimensions, each up "
            f"to {DIMENSION:,}, and {ELEMENTS:,} elements"
        )
    return math.prod(sizes)


# Reducing a graph to the nodes needed to run it


def closure(graph: Graph, targets: Iterable[str]) -> dict[str, NodeDef]:
    """Return the targets (nodes or tensors) and all nodes they depend on, in the file's order.

    Raises:
        RunError: if a target is missing.
    """
    waiting = [target.partition(":")[0] for target in targets]
    for name in waiting:
        if name not in graph.nodes:
            raise RunError(f"{graph.path} has no node {short(name)} among its {len(graph.nodes):,}")
    found = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(reference(each)[0] for each in graph.nodes[name].input)
    return {name: node for name, node in graph.nodes.items() if name in found}


def subgraph(graph: Graph, targets: list[str]) -> GraphDef:
    """Extract the nodes that the targets need as a graph that is safe to import and run.

    It has only `OPERATIONS` on float32, integers and booleans, with only `ATTRIBUTES`: no functions, devices, shared variables,
    strings, or shape and placement hints. Nodes come after their inputs. The sizes of constants and variables are limited, but
    a malicious graph could still compute a large shape.

    Args:
        graph: as returned by `read_graph`.
        targets: nodes (`Adam`) or tensors (`div:0`).

    Raises:
        RunError: if a target is missing, the graph has a cycle, or a node is not on the allowlist.
    """
    nodes = closure(graph, targets)
    for node in nodes.values():
        if node.op not in OPERATIONS:
            raise RunError(
                f"{graph.path}: {short(', '.join(targets))} needs {short(node.name)}, which is the operation "
                f"{short(node.op)}; expected only those of 2016's losses, updates and initial values"
            )
    result = GraphDef()
    result.versions.producer = graph.producer
    inputs = {name: [reference(each)[0] for each in node.input] for name, node in nodes.items()}
    try:
        order = list(graphlib.TopologicalSorter(inputs).static_order())
    except graphlib.CycleError as error:
        raise RunError(f"{graph.path}: the graph has a cycle through {short(error.args[1][0])}; expected none") from None
    for node in map(nodes.__getitem__, order):
        if node.op == "Const":
            check_constant(graph, node)
        copy = result.node.add(name=node.name, op=node.op)
        copy.input.extend(sorted(node.input, key=lambda each: each.startswith("^")))  # stable: data first, then control
        for key, value in node.attr.items():
            if key in ATTRIBUTES:
                check_attribute(graph, node, key, value)
                copy.attr[key].CopyFrom(value)
    return result


def check_attribute(graph: Graph, node: NodeDef, key: str, value: AttrValue) -> None:
    """Reject an attribute of a kind that 2016's graphs do not have, or of a type other than float32, integer or boolean."""
    kind = value.WhichOneof("value")
    if (
        kind not in ("type", "tensor", "shape", "b", "i", "s", "list")
        or (kind == "type" and value.type not in NUMBERS)
        or (kind == "tensor" and node.op != "Const")
        or (kind == "list" and value.list.ByteSize() > len(value.list.i) * 11 + 4)  # integers only, of up to ten bytes each
    ):
        raise RunError(f"{graph.path}: {short(node.name)} has an unexpected {key}; expected float32, integers or booleans")


def check_constant(graph: Graph, node: NodeDef) -> None:
    """Reject a constant that is damaged, or that would need too much memory if used as a shape or range."""
    value = graph.constant(node)
    if value.dtype.kind == "i" and value.size:
        sizes = np.abs(value.astype(np.float64))
        if value.size > DIMENSION or sizes.max() > DIMENSION or np.prod(np.maximum(sizes, 1)) > ELEMENTS:
            raise RunError(
                f"{graph.path}: the constant {short(node.name)} asks for {short(str(value.tolist()))} elements; "
                f"expected at most {DIMENSION:,} in each dimension and {ELEMENTS:,} in all"
            )
