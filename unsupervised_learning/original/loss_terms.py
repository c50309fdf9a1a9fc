"""Expand a loss in a 2016 graph into a sum of terms, by reading its nodes without running them.

`expand` walks back from a node through additions, multiplications and divisions by constants, sums and means, and stops at
any other operation. `layer` and `cross_entropy` recognise the operations found there.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tensorflow.core.framework.node_def_pb2 import NodeDef

from unsupervised_learning.errors import RunError
from unsupervised_learning.original.graph_files import VARIABLES, Graph, attribute, short

ADD = ("Add", "AddV2")
ACTIVATIONS = {"Relu": "relu", "Elu": "elu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
DEPTH = 100  # limit of nested expressions; the published losses nest about a dozen
TERMS = 2_000  # limit of terms in a sum


class Atom(NamedTuple):
    """An expression that `expand` does not split further.

    Attributes:
        kind: "constant", "entropy" (per pixel), "square", "exp", "l2", or "other".
        node: operand of the square, exponential or l2_loss; the logits for "entropy"; the node itself for "other".
        columns, batch: reduction over the columns and over the batch of a matrix [batch, columns]: "", "sum", or "mean".
    """

    kind: str
    node: str
    columns: str = ""
    batch: str = ""


@dataclasses.dataclass(frozen=True)
class Factor:
    """Factor of an atom: a weight and a divisor, kept apart because the divisor reveals the batch size."""

    weight: float
    divisor: float = 1.0

    @property
    def value(self) -> float:
        """The weight divided by the divisor."""
        return self.weight / self.divisor


Terms = dict[Atom, Factor]


@dataclasses.dataclass(frozen=True)
class Layer:
    """A fully connected layer: activation(input · weights + biases)."""

    node: str
    input: str
    weights: str
    biases: str
    sizes: tuple[int, int]
    activation: str


class Reader:
    """Reader of the expressions in one graph.

    Args:
        graph: as returned by `read_graph`.
        stops: nodes that `expand` treats as atoms, such as mu, which it would otherwise split into a product and a bias.
    """

    def __init__(self, graph: Graph, stops: tuple[str, ...] = ()):
        self.graph, self.stops = graph, stops
        self.expanded: dict[str, Terms | None] = {}  # by node; None while it is being expanded

    def refuse(self, node: NodeDef, expected: str) -> RunError:
        """Return the error for a node that 2016's graphs do not have."""
        return RunError(
            f"{self.graph.path} is not 2016's autoencoder or VAE: {short(node.name)} has type {short(node.op)}; "
            f"expected {expected}"
        )

    def resolved(self, node: NodeDef) -> NodeDef:
        """Return the node behind any Identity and StopGradient nodes."""
        seen = set()
        while node.op in ("Identity", "StopGradient"):
            (inner,) = self.inputs(node, 1)
            if node.name in seen:
                raise self.refuse(node, "no cycle")
            seen.add(node.name)
            node = inner
        return node

    def inputs(self, node: NodeDef, count: int) -> list[NodeDef]:
        """Return a node's data inputs; raises RunError unless there are `count`."""
        found = self.graph.inputs(node)
        if len(found) != count:
            raise self.refuse(node, f"{count} inputs, not {len(found)}")
        return found

    def operands(self, node: NodeDef, count: int) -> list[NodeDef]:
        """Return a node's `count` data inputs, looking through Identity nodes."""
        return [self.resolved(each) for each in self.inputs(node, count)]

    def number(self, node: NodeDef) -> float | None:
        """Return a scalar constant as the decimal number that its author wrote, such as 0.1; None for any other node."""
        node = self.resolved(node)
        if node.op != "Const":
            return None
        value = self.graph.constant(node)
        if value.size != 1 or value.dtype != np.float32 or not np.isfinite(value).all():
            return None
        return float(str(value.reshape(-1)[0]))

    def is_number(self, node: NodeDef, value: float) -> bool:
        """Whether a node is a scalar constant with this value."""
        return self.number(node) == value

    def axes(self, node: NodeDef) -> list[int] | None:
        """Return the axes in a constant; None for any other node."""
        node = self.resolved(node)
        if node.op != "Const":
            return None
        value = self.graph.constant(node)
        return [int(axis) for axis in value.reshape(-1)] if value.dtype.kind == "i" and value.size <= 4 else None

    # Sums

    def expand(self, node: NodeDef, depth: int = 0) -> Terms:
        """Return a node's value as a sum of atoms with factors."""
        node = self.resolved(node)
        if node.name not in self.expanded:
            if depth > DEPTH:
                raise self.refuse(node, f"a loss with at most {DEPTH} nested operations")
            self.expanded[node.name] = None
            self.expanded[node.name] = self.expansion(node, depth)
        terms = self.expanded[node.name]
        if terms is None:
            raise self.refuse(node, "a loss without a cycle")
        return terms

    def expansion(self, node: NodeDef, depth: int) -> Terms:
        """Expand a node that `expand` has not seen yet."""
        if node.name in self.stops:
            return {Atom("other", node.name): Factor(1.0)}
        entropy = self.cross_entropy(node)
        if entropy:
            return {Atom("entropy", entropy[0].name): Factor(1.0)}
        number = self.number(node)
        if number is not None:
            return {Atom("constant", ""): Factor(number)}
        if node.op in (*ADD, "AddN", "Sub"):
            operands = self.graph.inputs(node) if node.op == "AddN" else self.inputs(node, 2)
            parts = [self.expand(each, depth + 1) for each in operands]
            if node.op == "Sub":
                parts[1] = scaled(parts[1], -1.0)
            return self.added(parts, node)
        if node.op == "Neg":
            return scaled(self.expand(self.inputs(node, 1)[0], depth + 1), -1.0)
        if node.op == "Mul":
            left, right = self.inputs(node, 2)
            for factor, other in ((left, right), (right, left)):
                weight = self.number(factor)
                if weight is not None:
                    return scaled(self.expand(other, depth + 1), weight)
        if node.op in ("Div", "RealDiv"):
            dividend, by = self.inputs(node, 2)
            divisor = self.number(by)
            if divisor:
                return scaled(self.expand(dividend, depth + 1), 1.0, divisor)
        if node.op in ("Sum", "Mean"):
            return self.reduced(node, depth)
        return {self.atom(node): Factor(1.0)}

    def added(self, parts: list[Terms], node: NodeDef) -> Terms:
        """Add up several sums."""
        result: Terms = {}
        for part in parts:
            for atom, factor in part.items():
                before = result.get(atom)
                if before is None:
                    result[atom] = factor
                elif before.divisor == factor.divisor:
                    result[atom] = Factor(before.weight + factor.weight, factor.divisor)
                else:
                    result[atom] = Factor(before.value + factor.value)
        if len(result) > TERMS:
            raise self.refuse(node, f"a sum of at most {TERMS:,} terms")
        return result

    def reduced(self, node: NodeDef, depth: int) -> Terms:
        """Expand a Sum or Mean over columns, batch, or both."""
        inner, over = self.inputs(node, 2)
        axes, how = self.axes(over), node.op.lower()
        if axes is None or attribute(node, "keep_dims").b:
            raise self.refuse(node, "a sum or mean over constant axes")
        result: Terms = {}
        for atom, factor in self.expand(inner, depth + 1).items():
            if atom.kind == "l2" and how == "mean":  # a scalar added to each image's loss equals its mean
                result[atom] = factor
                continue
            left = [name for name in ("batch", "columns") if not getattr(atom, name)]
            try:
                names = [left[axis] for axis in axes]
            except IndexError:
                raise self.refuse(node, f"axes of its input, not {axes}") from None
            reduced = atom._replace(**dict.fromkeys(names, how))
            result = self.added([result, {reduced: factor}], node)
        return result

    def atom(self, node: NodeDef) -> Atom:
        """Return a node as an atom."""
        if node.op == "Square":
            return Atom("square", self.operands(node, 1)[0].name)
        if node.op in ("Pow", "Mul"):
            left, right = self.operands(node, 2)
            if (node.op == "Pow" and self.is_number(right, 2.0)) or (node.op == "Mul" and left.name == right.name):
                return Atom("square", left.name)
        if node.op == "Exp":
            return Atom("exp", self.operands(node, 1)[0].name)
        if node.op == "L2Loss":
            return Atom("l2", self.operands(node, 1)[0].name, "sum", "sum")
        return Atom("other", node.name)

    # Cross entropy

    def cross_entropy(self, node: NodeDef) -> tuple[NodeDef, NodeDef] | None:
        """Return logits x and labels z of TensorFlow's sigmoid cross entropy, max(x, 0) − x·z + log(1 + exp(−|x|)), or None."""
        if node.op not in ADD:
            return None
        for first, second in self.both_ways(node):
            if first.op != "Sub" or second.op not in ("Log", "Log1p"):
                continue
            positive, product = self.operands(first, 2)
            logits = self.positive_part(positive)
            if logits is None or product.op != "Mul" or not self.is_log_term(second, logits):
                continue
            for one, other in self.both_ways(product):
                if one.name == logits.name:
                    return logits, other
        return None

    def both_ways(self, node: NodeDef) -> Iterator[tuple[NodeDef, NodeDef]]:
        """Yield the two operands of an operation in both orders."""
        left, right = self.operands(node, 2)
        yield left, right
        yield right, left

    def positive_part(self, node: NodeDef) -> NodeDef | None:
        """Return x, given max(x, 0) as Relu(x) or Select(x ≥ 0, x, 0); None for any other node."""
        if node.op == "Relu":
            return self.operands(node, 1)[0]
        if node.op in ("Select", "SelectV2"):
            condition, if_so, otherwise = self.operands(node, 3)
            if self.is_at_least_zero(condition, if_so) and self.is_zero(otherwise):
                return if_so
        return None

    def is_at_least_zero(self, node: NodeDef, x: NodeDef) -> bool:
        """Whether a node is x ≥ 0."""
        if node.op != "GreaterEqual":
            return False
        left, right = self.operands(node, 2)
        return left.name == x.name and self.is_zero(right)

    def is_zero(self, node: NodeDef) -> bool:
        """Whether a node is the constant 0 or ZerosLike."""
        return node.op == "ZerosLike" or self.is_number(node, 0.0)

    def is_log_term(self, node: NodeDef, x: NodeDef) -> bool:
        """Whether a node is log(1 + exp(−|x|))."""
        (inner,) = self.operands(node, 1)
        if node.op == "Log":
            if inner.op not in ADD:
                return False
            pair = next((other for one, other in self.both_ways(inner) if self.is_number(one, 1.0)), None)
            if pair is None:
                return False
            inner = pair
        if inner.op != "Exp":
            return False
        (power,) = self.operands(inner, 1)
        if power.op in ("Select", "SelectV2"):
            condition, if_so, otherwise = self.operands(power, 3)
            return self.is_at_least_zero(condition, x) and otherwise.name == x.name and self.negated(if_so) == x.name
        if power.op == "Neg":
            (absolute,) = self.operands(power, 1)
            return absolute.op == "Abs" and self.operands(absolute, 1)[0].name == x.name
        return False

    def negated(self, node: NodeDef) -> str | None:
        """Return the name of x, given −x; None for any other node."""
        return self.operands(node, 1)[0].name if node.op == "Neg" else None

    # Layers

    def layer(self, node: NodeDef) -> Layer:
        """Return the layer with this output node.

        Raises:
            RunError: if the node is not the output of a fully connected layer.
        """
        node = self.resolved(node)
        activation, before = self.activation(node)
        product, biases = None, None
        if before.op in (*ADD, "BiasAdd"):
            for one, other in self.both_ways(before):
                if one.op == "MatMul" and other.op in VARIABLES:
                    product, biases = one, other
        if product is None or biases is None:
            raise self.refuse(before, "activation(input · W + b) with variables W and b")
        given, weights = self.operands(product, 2)
        if weights.op not in VARIABLES or attribute(product, "transpose_a").b or attribute(product, "transpose_b").b:
            raise self.refuse(product, "input · W with a variable W, neither transposed")
        sizes = self.shape(weights)
        if len(sizes) != 2 or self.shape(biases) != sizes[1:]:
            raise self.refuse(product, f"W [inputs, units] and b [units], not {sizes} and {self.shape(biases)}")
        return Layer(node.name, given.name, weights.name, biases.name, (sizes[0], sizes[1]), activation)

    def activation(self, node: NodeDef) -> tuple[str, NodeDef]:
        """Return the activation that a node applies, by our name, and its operand; "linear" and the node itself if none."""
        if node.op in ACTIVATIONS:
            return ACTIVATIONS[node.op], self.operands(node, 1)[0]
        if node.op == "Maximum":  # max(0.2 x, x)
            for product, x in self.both_ways(node):
                if product.op == "Mul":
                    for slope, other in self.both_ways(product):
                        if self.is_number(slope, 0.2) and other.name == x.name:
                            return "lrelu", x
            raise self.refuse(node, "the leaky relu max(0.2 x, x)")
        return "linear", node

    def shape(self, variable: NodeDef) -> tuple[int, ...]:
        """Return a variable's shape."""
        return tuple(dim.size for dim in attribute(variable, "shape").shape.dim)


def scaled(terms: Terms, weight: float, divisor: float = 1.0) -> Terms:
    """Multiply a sum by a weight and divide it by a divisor."""
    return {atom: Factor(factor.weight * weight, factor.divisor * divisor) for atom, factor in terms.items()}


def is_close(one: float, other: float) -> bool:
    """Whether two numbers agree to float32 precision."""
    return math.isclose(one, other, rel_tol=1e-5)
