"""Read the expressions in a 2016 graph without running them: match patterns, and expand a loss into a sum of terms.

A pattern describes an expression. It is one of:

- a tuple: an operation and the patterns of its inputs; those of a sum, product or maximum match in either order
- a float: a scalar constant with this value
- a string: any node; the same string always stands for the same node. `x:Placeholder` only stands for a Placeholder
- a list: alternatives

`Reader.expand` walks back from a node through additions, multiplications and divisions by constants, sums and means, and stops
at any other operation.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from tensorflow.core.framework.node_def_pb2 import NodeDef

from unsupervised_learning.errors import RunError
from unsupervised_learning.original.graph_files import Graph, attribute, short

OLDER_NAME = {"AddV2": "Add", "RealDiv": "Div", "SelectV2": "Select", "VariableV2": "Variable"}  # of today's operations
COMMUTATIVE = ("Add", "Mul", "Maximum")
DEPTH = 100  # limit of nested expressions; the published losses nest about a dozen
TERMS = 2_000  # limit of terms in a sum

Pattern = Any  # see above

# TensorFlow's sigmoid cross entropy, max(x, 0) − x·z + log(1 + exp(−|x|)), in 2016 and today.
ZERO = [0.0, ("ZerosLike", "logits")]
NOT_NEGATIVE = ("GreaterEqual", "logits", ZERO)
POSITIVE_PART = [("Relu", "logits"), ("Select", NOT_NEGATIVE, "logits", ZERO)]
MINUS_SIZE = [("Neg", ("Abs", "logits")), ("Select", NOT_NEGATIVE, ("Neg", "logits"), "logits")]
LOG_TERM = [("Log", ("Add", 1.0, ("Exp", MINUS_SIZE))), ("Log1p", ("Exp", MINUS_SIZE))]
CROSS_ENTROPY = ("Add", ("Sub", POSITIVE_PART, ("Mul", "logits", "labels")), LOG_TERM)

ATOMS = {"square": [("Square", "x"), ("Pow", "x", 2.0), ("Mul", "x", "x")], "exp": ("Exp", "x"), "l2": ("L2Loss", "x")}
ACTIVATIONS = {
    "relu": ("Relu", "x"),
    "elu": ("Elu", "x"),
    "tanh": ("Tanh", "x"),
    "sigmoid": ("Sigmoid", "x"),
    "lrelu": ("Maximum", ("Mul", 0.2, "x"), "x"),
}
BIASED = [("Add", "product:MatMul", "biases:Variable"), ("BiasAdd", "product:MatMul", "biases:Variable")]
PRODUCT = ("MatMul", "input", "weights:Variable")


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

    # Patterns

    def match(self, node: NodeDef, pattern: Pattern) -> dict[str, NodeDef] | None:
        """Return the nodes that a pattern's strings stand for if a node matches it, by the part before the colon; else None."""
        return next(self.matches(node, pattern, {}), None)

    def matches(self, node: NodeDef, pattern: Pattern, found: dict[str, NodeDef]) -> Iterator[dict[str, NodeDef]]:
        """Yield each way to match a pattern that agrees with the nodes already found."""
        node = self.resolved(node)
        if isinstance(pattern, list):
            for each in pattern:
                yield from self.matches(node, each, found)
        elif isinstance(pattern, float):
            if self.number(node) == pattern:
                yield found
        elif isinstance(pattern, str):
            name, _, kind = pattern.partition(":")
            if kind in ("", operation(node)) and found.get(name, node).name == node.name:
                yield {**found, name: node}
        elif operation(node) == pattern[0]:
            inputs = self.graph.inputs(node)
            orders = [inputs, inputs[::-1]] if pattern[0] in COMMUTATIVE else [inputs]
            for order in orders if len(inputs) == len(pattern) - 1 else ():
                ways = [found]
                for each, part in zip(order, pattern[1:], strict=True):
                    ways = [way for before in ways for way in self.matches(each, part, before)]
                yield from ways

    # Sums

    def expand(self, node: NodeDef, depth: int = 0) -> Terms:
        """Return a node's value as a sum of atoms with factors."""
        node = self.resolved(node)
        if node.name not in self.expanded:
            if depth > DEPTH:
                raise self.refuse(node, f"a loss with at most {DEPTH} nested operations")
            self.expanded[node.name] = None
            self.expanded[node.name] = self.expansion(node, depth + 1)
        terms = self.expanded[node.name]
        if terms is None:
            raise self.refuse(node, "a loss without a cycle")
        return terms

    def expansion(self, node: NodeDef, depth: int) -> Terms:
        """Expand a node that `expand` has not seen yet. Its inputs are at this depth."""
        kind, number = operation(node), self.number(node)
        if node.name in self.stops:
            return {Atom("other", node.name): Factor(1.0)}
        if entropy := self.match(node, CROSS_ENTROPY):
            return {Atom("entropy", entropy["logits"].name): Factor(1.0)}
        if number is not None:
            return {Atom("constant", ""): Factor(number)}
        if kind in ("Add", "AddN", "Sub"):
            first, *others = [self.expand(each, depth) for each in self.graph.inputs(node)] or [{}]
            return self.added([first, *(scaled(each, -1.0 if kind == "Sub" else 1.0) for each in others)], node)
        if kind == "Neg":
            return scaled(self.expand(self.inputs(node, 1)[0], depth), -1.0)
        for found in self.matches(node, [("Mul", "factor:Const", "other"), ("Div", "other", "factor:Const")], {}):
            factor, other = self.number(found["factor"]), found["other"]
            if factor is not None and kind == "Mul":
                return scaled(self.expand(other, depth), factor)
            if factor:
                return scaled(self.expand(other, depth), 1.0, factor)
        if kind in ("Sum", "Mean"):
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
        inner, over = self.operands(node, 2)
        axes, how = self.graph.constant(over).ravel(), node.op.lower()
        if axes.dtype.kind != "i" or len(axes) > 2 or attribute(node, "keep_dims").b:
            raise self.refuse(node, "a sum or mean over constant axes")
        result: Terms = {}
        for atom, factor in self.expand(inner, depth).items():
            if atom.kind == "l2" and how == "mean":  # a scalar added to each image's loss equals its mean
                result[atom] = factor
                continue
            left = [name for name in ("batch", "columns") if not getattr(atom, name)]
            try:
                names = [left[axis] for axis in axes]
            except IndexError:
                raise self.refuse(node, f"axes of its input, not {axes.tolist()}") from None
            reduced = atom._replace(**dict.fromkeys(names, how))
            result = self.added([result, {reduced: factor}], node)
        return result

    def atom(self, node: NodeDef) -> Atom:
        """Return a node as an atom."""
        for kind, pattern in ATOMS.items():
            if found := self.match(node, pattern):
                reductions = ("sum", "sum") if kind == "l2" else ("", "")
                return Atom(kind, found["x"].name, *reductions)
        return Atom("other", node.name)

    # Layers

    def layer(self, node: NodeDef) -> Layer:
        """Return the layer with this output node.

        Raises:
            RunError: if the node is not the output of a fully connected layer.
        """
        node = self.resolved(node)
        activation, before = "linear", node
        for name, pattern in ACTIVATIONS.items():
            if found := self.match(node, pattern):
                activation, before = name, found["x"]
        biased = self.match(before, BIASED)
        product = biased and self.match(biased["product"], PRODUCT)
        if not biased or not product or any(attribute(biased["product"], f"transpose_{one}").b for one in "ab"):
            raise self.refuse(before, "activation(input · W + b) with variables W and b")
        weights, biases = product["weights"], biased["biases"]
        sizes = self.shape(weights)
        if len(sizes) != 2 or self.shape(biases) != sizes[1:]:
            raise self.refuse(before, f"W [inputs, units] and b [units], not {sizes} and {self.shape(biases)}")
        return Layer(node.name, product["input"].name, weights.name, biases.name, (sizes[0], sizes[1]), activation)

    def shape(self, variable: NodeDef) -> tuple[int, ...]:
        """Return a variable's shape."""
        return tuple(dim.size for dim in attribute(variable, "shape").shape.dim)


def operation(node: NodeDef) -> str:
    """Return a node's operation, under its name of 2016."""
    return OLDER_NAME.get(node.op, node.op)


def scaled(terms: Terms, weight: float, divisor: float = 1.0) -> Terms:
    """Multiply a sum by a weight and divide it by a divisor."""
    return {atom: Factor(factor.weight * weight, factor.divisor * divisor) for atom, factor in terms.items()}


def is_close(one: float, other: float) -> bool:
    """Whether two numbers agree to float32 precision."""
    return math.isclose(one, other, rel_tol=1e-5)
