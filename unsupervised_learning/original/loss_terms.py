"""A loss in a graph of 2016, expanded into a sum of terms: what a graph's nodes say, without running them.

`expand` goes from a node through additions, products and quotients with constants, sums and means, and stops where something
else begins. `layer` and `cross_entropy` recognise what stands there.
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
DEPTH = 100  # of nested expressions; the published losses nest a dozen
TERMS = 2_000  # of a sum


class Atom(NamedTuple):
    """Something that `expand` does not look into.

    Attributes:
        kind: "constant", "entropy" (of each pixel), "square", "exp", "l2", or "other".
        node: whose square, exponential or l2_loss it is; for "entropy" the logits, for "other" the node itself.
        columns, batch: how it was reduced over the columns of a matrix [batch, columns], and over the batch: "", "sum", "mean".
    """

    kind: str
    node: str
    columns: str = ""
    batch: str = ""


@dataclasses.dataclass(frozen=True)
class Factor:
    """What an atom is multiplied with: a weight, then a divisor, kept apart because a divisor tells the batch's size."""

    weight: float
    divisor: float = 1.0

    @property
    def value(self) -> float:
        """The weight over the divisor."""
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
    """Reads expressions in one graph.

    Args:
        graph: of `read_graph`.
        stops: nodes that `expand` takes for atoms, such as mu: as the sum of a product and a bias it would be taken apart.
    """

    def __init__(self, graph: Graph, stops: tuple[str, ...] = ()):
        self.graph, self.stops = graph, stops
        self.expanded: dict[str, Terms | None] = {}  # by node; None while it is being expanded

    def refuse(self, node: NodeDef, expected: str) -> RunError:
        """The error for a node that is not what stands in one of 2016's graphs."""
        return RunError(
            f"{self.graph.path} is neither 2016's autoencoder nor its VAE: {short(node.name)} is of type {short(node.op)}; "
            f"expected {expected}"
        )

    def resolved(self, node: NodeDef) -> NodeDef:
        """The node behind any number of Identity nodes."""
        seen = set()
        while node.op in ("Identity", "StopGradient"):
            (inner,) = self.inputs(node, 1)
            if node.name in seen:
                raise self.refuse(node, "no circle")
            seen.add(node.name)
            node = inner
        return node

    def inputs(self, node: NodeDef, count: int) -> list[NodeDef]:
        """A node's data inputs, of which there must be so many."""
        found = self.graph.inputs(node)
        if len(found) != count:
            raise self.refuse(node, f"{count} inputs of it, not {len(found)}")
        return found

    def operands(self, node: NodeDef, count: int) -> list[NodeDef]:
        """A node's data inputs, without Identity nodes before them."""
        return [self.resolved(each) for each in self.inputs(node, count)]

    def number(self, node: NodeDef) -> float | None:
        """A scalar constant as the decimal number that its author wrote, such as 0.1; None if the node is none."""
        node = self.resolved(node)
        if node.op != "Const":
            return None
        value = self.graph.constant(node)
        if value.size != 1 or value.dtype != np.float32 or not np.isfinite(value).all():
            return None
        return float(str(value.reshape(-1)[0]))

    def is_number(self, node: NodeDef, value: float) -> bool:
        """Whether a node is the scalar constant of this value."""
        return self.number(node) == value

    def axes(self, node: NodeDef) -> list[int] | None:
        """The axes in a constant; None if it is none."""
        node = self.resolved(node)
        if node.op != "Const":
            return None
        value = self.graph.constant(node)
        return [int(axis) for axis in value.reshape(-1)] if value.dtype.kind == "i" and value.size <= 4 else None

    # Sums

    def expand(self, node: NodeDef, depth: int = 0) -> Terms:
        """A node's value as a sum of atoms with factors."""
        node = self.resolved(node)
        if node.name not in self.expanded:
            if depth > DEPTH:
                raise self.refuse(node, f"a loss of at most {DEPTH} nested operations")
            self.expanded[node.name] = None
            self.expanded[node.name] = self.expansion(node, depth)
        terms = self.expanded[node.name]
        if terms is None:
            raise self.refuse(node, "a loss that does not go in a circle")
        return terms

    def expansion(self, node: NodeDef, depth: int) -> Terms:
        """What `expand` returns, for a node that it has not seen yet."""
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
        """The sum of sums."""
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
        """A Sum or Mean over columns, batch, or both."""
        inner, over = self.inputs(node, 2)
        axes, how = self.axes(over), node.op.lower()
        if axes is None or attribute(node, "keep_dims").b:
            raise self.refuse(node, "a sum or mean over axes that the graph states")
        result: Terms = {}
        for atom, factor in self.expand(inner, depth + 1).items():
            if atom.kind == "l2" and how == "mean":  # the mean of a scalar that was added to each image's loss
                result[atom] = factor
                continue
            left = [name for name in ("batch", "columns") if not getattr(atom, name)]
            try:
                names = [left[axis] for axis in axes]
            except IndexError:
                raise self.refuse(node, f"axes that its input has, not {axes}") from None
            reduced = atom._replace(**dict.fromkeys(names, how))
            result = self.added([result, {reduced: factor}], node)
        return result

    def atom(self, node: NodeDef) -> Atom:
        """What a node is that no sum goes through."""
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

    # What stands in the losses

    def cross_entropy(self, node: NodeDef) -> tuple[NodeDef, NodeDef] | None:
        """Logits x and labels z, if a node is max(x, 0) − x·z + log(1 + exp(−|x|)), TensorFlow's sigmoid cross entropy."""
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
        """The two operands of an operation, in either order."""
        left, right = self.operands(node, 2)
        yield left, right
        yield right, left

    def positive_part(self, node: NodeDef) -> NodeDef | None:
        """The x of max(x, 0): Relu(x), or Select(x ≥ 0, x, 0)."""
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
        """Whether a node is zero, or zeros in another's shape."""
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
        """The name of x, if a node is −x."""
        return self.operands(node, 1)[0].name if node.op == "Neg" else None

    # Layers

    def layer(self, node: NodeDef) -> Layer:
        """The layer that a node is the output of.

        Raises:
            RunError: if it is not that of a fully connected layer.
        """
        node = self.resolved(node)
        activation, before = self.activation(node)
        product, biases = None, None
        if before.op in (*ADD, "BiasAdd"):
            for one, other in self.both_ways(before):
                if one.op == "MatMul" and other.op in VARIABLES:
                    product, biases = one, other
        if product is None or biases is None:
            raise self.refuse(before, "activation(input · W + b), with W and b variables")
        given, weights = self.operands(product, 2)
        if weights.op not in VARIABLES or attribute(product, "transpose_a").b or attribute(product, "transpose_b").b:
            raise self.refuse(product, "input · W, with W a variable and neither transposed")
        sizes = self.shape(weights)
        if len(sizes) != 2 or self.shape(biases) != sizes[1:]:
            raise self.refuse(product, f"W [inputs, units] and b [units]; they are {sizes} and {self.shape(biases)}")
        return Layer(node.name, given.name, weights.name, biases.name, (sizes[0], sizes[1]), activation)

    def activation(self, node: NodeDef) -> tuple[str, NodeDef]:
        """A node's activation by our name, and what it is applied to; a node that is none is linear."""
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
        """A variable's shape."""
        return tuple(dim.size for dim in attribute(variable, "shape").shape.dim)


def scaled(terms: Terms, weight: float, divisor: float = 1.0) -> Terms:
    """A sum times a weight, over a divisor."""
    return {atom: Factor(factor.weight * weight, factor.divisor * divisor) for atom, factor in terms.items()}


def is_close(one: float, other: float) -> bool:
    """Whether two numbers agree as well as float32 could tell."""
    return math.isclose(one, other, rel_tol=1e-5)
