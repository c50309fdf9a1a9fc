"""Find the autoencoder or VAE in a 2016 graph, by tracing its layers back from the loss."""

import dataclasses
import itertools

from tensorflow.core.framework.node_def_pb2 import NodeDef

from unsupervised_learning.autoencoder import PIXELS
from unsupervised_learning.errors import RunError
from unsupervised_learning.original.graph_files import Graph, closure, short
from unsupervised_learning.original.loss_terms import CROSS_ENTROPY, Atom, Layer, Reader, operation

AUTOENCODER, VAE = "AutoEncoder", "VariationalAutoEncoder"
LOSSES = ("Add", "AddN", "Div", "L2Loss", "Mean", "Mul", "Sub", "Sum")  # operations that compute a loss

# Patterns, as in `loss_terms`.
SQUARED_ERROR = ("L2Loss", [("Sub", "output", "images:Placeholder"), ("Sub", "images:Placeholder", "output")])
ONES = ("Fill", ("Shape", "loss"), 1.0)
DEVIATION = ("Exp", [("Mul", 0.5, "log_var"), ("Div", "log_var", 2.0)])
SAMPLE = ("Add", "mu", ("Mul", [DEVIATION, ("Sqrt", ("Exp", "log_var"))], "noise"))
NORMAL = ("RandomStandardNormal", "shape")
STANDARD_NORMAL = [NORMAL, ("Mul", 1.0, NORMAL), ("Add", 0.0, NORMAL), ("Add", 0.0, ("Mul", 1.0, NORMAL))]


@dataclasses.dataclass(frozen=True)
class Network:
    """The layers of a model in a graph.

    Attributes:
        model: as in `Description`.
        layers: layers in the order of `variables_of_2016`; mu and log_var are the third and fourth.
        input: placeholder of the images.
        noise: node of the noise; None for the autoencoder.
        reconstruction: atom of the loss that compares output and input.
        mu, log_var: nodes; None for the autoencoder.
    """

    model: str
    layers: list[Layer]
    input: str
    reconstruction: Atom
    noise: str | None = None
    mu: str | None = None
    log_var: str | None = None

    def names(self) -> list[str]:
        """Return today's names of the layers' weights and biases, in order."""
        if self.model == AUTOENCODER:
            stems = [("W_fc", "b_fc", number) for number in range(1, 7)]
        else:
            stems = [("encoder/W_fc", "encoder/b_fc", number) for number in range(1, 5)]
            stems += [("decoder/Wd_fc", "decoder/bd_fc", number) for number in range(1, 4)]
        return [f"{stem}{number}" for *pair, number in stems for stem in pair]

    def sizes(self) -> tuple[int, ...]:
        """Return the layer sizes from input to output, with mu and log_var, which have the same size, counted once."""
        layers = self.layers if self.model == AUTOENCODER else self.layers[:3] + self.layers[4:]
        return (PIXELS, *(layer.sizes[1] for layer in layers))


def wrong_graph(graph: Graph, found: str) -> RunError:
    """Return the error for a graph of another model."""
    return RunError(
        f"{graph.path} is not 2016's autoencoder or VAE: {found}; expected fully connected layers 784-50-50-3-50-50-784 and "
        "their loss"
    )


def find_loss(graph: Graph, update: str) -> tuple[NodeDef, Network, Reader]:
    """Return the minimised scalar, the model, and a reader that expands the loss as far as the model.

    In 2016's graphs the gradients begin with ones in the shape of the loss, which identifies it. Later versions of TensorFlow
    fold that shape into a constant; there the loss is the only sum of known terms that is not part of another such sum.

    Raises:
        RunError: if no loss is found, or it is another model's.
    """
    gradients = closure(graph, [update])
    network = find_network(graph)
    reader = Reader(graph, tuple(name for name in (network.mu, network.log_var) if name))
    shaped = [each["loss"] for node in gradients.values() if (each := reader.match(node, ONES))]
    found = scalar_losses(reader, network, shaped)
    if len(found) != 1:
        found = scalar_losses(reader, network, [node for name, node in graph.nodes.items() if name not in gradients])
    inner = {name for each in found for name in closure(graph, [each]) if name != each}
    outer = [node for name, node in found.items() if name not in inner]
    if len(outer) != 1:
        raise wrong_graph(graph, f"{len(outer) or 'no'} sums of known terms could be the loss")
    return outer[0], network, reader


def scalar_losses(reader: Reader, network: Network, nodes: list[NodeDef]) -> dict[str, NodeDef]:
    """Return the nodes, by name, that are sums of the reconstruction and other terms, reduced over columns and batch."""
    found = {}
    for node in nodes:
        if operation(node) not in LOSSES:
            continue
        try:
            terms = reader.expand(node)
        except RunError:
            continue  # a sum of something else
        compared = [factor for atom, factor in terms.items() if atom[:2] == network.reconstruction[:2]]
        reduced = all(atom.batch and atom.columns for atom in terms if atom.kind != "constant")
        if len(compared) == 1 and compared[0].value > 0 and reduced:
            found[node.name] = node
    return found


def find_network(graph: Graph) -> Network:
    """Find the model in a graph.

    Raises:
        RunError: unless there is exactly one.
    """
    reader = Reader(graph)
    squares = [(node, found) for node in graph.nodes.values() if (found := reader.match(node, SQUARED_ERROR))]
    matched = (reader.match(node, CROSS_ENTROPY) for node in graph.nodes.values())
    entropies = {found["logits"].name: found for found in matched if found}
    if len(entropies) + len(squares) != 1:
        found = f"its loss has {len(squares)} l2_loss(output − input) and {len(entropies)} sigmoid cross entropies"
        raise wrong_graph(graph, f"{found}; there should be one in total")
    network = autoencoder(reader, squares[0][0], **squares[0][1]) if squares else vae(reader, **entropies.popitem()[1])
    if network.layers[0].input != network.input:
        raise wrong_graph(graph, f"its first layer reads {short(network.layers[0].input)}, not the target of the loss")
    check_sizes(graph, network)
    return network


def autoencoder(reader: Reader, error: NodeDef, output: NodeDef, images: NodeDef) -> Network:
    """Return the autoencoder, given its l2_loss(output − images) and both operands."""
    (difference,) = reader.operands(error, 1)
    return Network(AUTOENCODER, chain(reader, output, 6), images.name, Atom("l2", difference.name, "sum", "sum"))


def vae(reader: Reader, logits: NodeDef, labels: NodeDef) -> Network:
    """Return the VAE, given the logits and labels of its cross entropy."""
    nodes = reader.graph.nodes
    if labels.op != "Placeholder":
        raise wrong_graph(reader.graph, f"the labels of its cross entropy are {short(labels.name)}, not the input")
    decoder = chain(reader, logits, 3)
    latent = nodes[decoder[0].input]
    drawn = (found for found in reader.matches(latent, SAMPLE, {}) if reader.match(found["noise"], STANDARD_NORMAL))
    sample = next(drawn, None)
    if not sample:
        raise reader.refuse(latent, "mu + exp(log_var / 2) · noise, with noise from a standard normal")
    mu, log_var = reader.layer(sample["mu"]), reader.layer(sample["log_var"])
    if mu.input != log_var.input:
        raise wrong_graph(reader.graph, "mu and log_var are computed from different layers")
    layers = [*chain(reader, nodes[mu.input], 2), mu, log_var, *decoder]
    return Network(VAE, layers, labels.name, Atom("entropy", logits.name), sample["noise"].name, mu.node, log_var.node)


def chain(reader: Reader, output: NodeDef, count: int) -> list[Layer]:
    """Return the `count` consecutive layers that end in this output."""
    layers: list[Layer] = []
    for _ in range(count):
        layers.insert(0, reader.layer(output))
        output = reader.graph.nodes[layers[0].input]
    return layers


def check_sizes(graph: Graph, network: Network) -> None:
    """Reject layers that do not fit together, or are not as in 2016."""
    flow = network.layers
    if network.model == VAE:
        mu, log_var = flow[2:4]
        if mu.sizes != log_var.sizes or mu.activation != log_var.activation:
            raise wrong_graph(graph, "mu and log_var have different sizes or activations")
        flow = flow[:3] + flow[4:]
    sizes = network.sizes()
    if any(layer.sizes != pair for layer, pair in zip(flow, itertools.pairwise(sizes), strict=True)):
        raise wrong_graph(graph, f"layers of {', '.join(str(list(layer.sizes)) for layer in flow)}")
    if sizes[-1] != PIXELS or len({sizes[each] for each in (1, 2, 4, 5)}) > 1:
        raise wrong_graph(graph, f"layers of {'-'.join(map(str, sizes))}")
    hidden = {flow[each].activation for each in (0, 1, 3, 4)}
    if len(hidden) > 1 or flow[5].activation != "linear":
        given = ", ".join(layer.activation for layer in flow)
        raise wrong_graph(graph, f"activations {given}; the hidden layers must share one, and the last layer must be linear")
