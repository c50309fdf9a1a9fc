"""Find the autoencoder or VAE in a 2016 graph, by tracing its layers back from the loss."""

import dataclasses
import itertools

from tensorflow.core.framework.node_def_pb2 import NodeDef

from unsupervised_learning.autoencoder import PIXELS
from unsupervised_learning.errors import RunError
from unsupervised_learning.original.graph_files import Graph, closure, short
from unsupervised_learning.original.loss_terms import ADD, Atom, Layer, Reader

AUTOENCODER, VAE = "AutoEncoder", "VariationalAutoEncoder"
LOSSES = (*ADD, "AddN", "Div", "RealDiv", "L2Loss", "Mean", "Mul", "Sub", "Sum")  # operations that compute a loss


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

    def stops(self) -> tuple[str, ...]:
        """Return the nodes at which the expansion of the loss stops."""
        return tuple(name for name in (self.mu, self.log_var) if name)


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
    network = find_network(graph, graph.nodes)
    reader = Reader(graph, network.stops())
    shaped = [each for node in gradients.values() if node.op == "Fill" and (each := shape_source(graph, node)) is not None]
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
        if node.op not in LOSSES:
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


def shape_source(graph: Graph, fill: NodeDef) -> NodeDef | None:
    """Return the node that gives a Fill with ones its shape; None for any other Fill."""
    reader = Reader(graph)
    shape, value = reader.operands(fill, 2)
    return reader.operands(shape, 1)[0] if shape.op == "Shape" and reader.is_number(value, 1.0) else None


def find_network(graph: Graph, nodes: dict[str, NodeDef]) -> Network:
    """Find the model in these nodes.

    Raises:
        RunError: unless there is exactly one.
    """
    reader = Reader(graph)
    entropies = {}
    for node in nodes.values():
        pair = reader.cross_entropy(node) if node.op in ADD and len(node.input) == 2 else None
        if pair:
            entropies[pair[0].name] = pair
    squares = [node for node in nodes.values() if node.op == "L2Loss" and placeholder_of(reader, node) is not None]
    if len(entropies) + len(squares) != 1:
        found = f"its loss has {len(squares)} l2_loss(output − input) and {len(entropies)} sigmoid cross entropies"
        raise wrong_graph(graph, f"{found}; there should be one of either")
    network = autoencoder(reader, squares[0]) if squares else vae(reader, *next(iter(entropies.values())))
    check_sizes(graph, network)
    return network


def placeholder_of(reader: Reader, node: NodeDef) -> NodeDef | None:
    """Return the placeholder in l2_loss(output − placeholder); None for any other node."""
    (difference,) = reader.operands(node, 1)
    if difference.op != "Sub":
        return None
    return next((each for each in reader.operands(difference, 2) if each.op == "Placeholder"), None)


def autoencoder(reader: Reader, node: NodeDef) -> Network:
    """Return the autoencoder, given the node of its l2_loss(output − input)."""
    (difference,) = reader.operands(node, 1)
    given = placeholder_of(reader, node)
    assert given is not None
    (output,) = [each for each in reader.operands(difference, 2) if each is not given] or [given]
    layers = chain(reader, output, 6)
    if layers[0].input != given.name:
        raise wrong_graph(reader.graph, f"its first layer reads {short(layers[0].input)}, not the target of the loss")
    return Network(AUTOENCODER, layers, given.name, Atom("l2", difference.name, "sum", "sum"))


def vae(reader: Reader, logits: NodeDef, labels: NodeDef) -> Network:
    """Return the VAE, given the logits and labels of its cross entropy."""
    if labels.op != "Placeholder":
        raise wrong_graph(reader.graph, f"the labels of its cross entropy are {short(labels.name)}, not the input")
    decoder = chain(reader, logits, 3)
    mu, log_var, noise = sample(reader, reader.graph.nodes[decoder[0].input])
    heads = [reader.layer(mu), reader.layer(log_var)]
    if heads[0].input != heads[1].input:
        raise wrong_graph(reader.graph, "mu and log_var are computed from different layers")
    encoder = chain(reader, reader.graph.nodes[heads[0].input], 2)
    if encoder[0].input != labels.name:
        raise wrong_graph(reader.graph, f"its first layer reads {short(encoder[0].input)}, not the target of the loss")
    compared = Atom("entropy", logits.name)
    return Network(VAE, [*encoder, *heads, *decoder], labels.name, compared, noise.name, mu.name, log_var.name)


def chain(reader: Reader, output: NodeDef, count: int) -> list[Layer]:
    """Return the `count` consecutive layers that end in this output."""
    layers: list[Layer] = []
    for _ in range(count):
        layers.insert(0, reader.layer(output))
        output = reader.graph.nodes[layers[0].input]
    return layers


def sample(reader: Reader, latent: NodeDef) -> tuple[NodeDef, NodeDef, NodeDef]:
    """Return the nodes of mu, log_var and the noise, given mu + exp(log_var / 2) · noise."""
    if latent.op in ADD:
        for mu, product in reader.both_ways(latent):
            if product.op == "Mul":
                for deviation, noise in reader.both_ways(product):
                    log_var = log_variance(reader, deviation)
                    if log_var is not None and is_standard_normal(reader, noise):
                        return mu, log_var, noise
    raise reader.refuse(latent, "mu + exp(log_var / 2) · noise, with noise from a standard normal")


def log_variance(reader: Reader, node: NodeDef) -> NodeDef | None:
    """Return log_var, given exp(log_var · 0.5), exp(log_var / 2) or sqrt(exp(log_var)); None for any other node."""
    if node.op == "Sqrt":
        (power,) = reader.operands(node, 1)
        return reader.operands(power, 1)[0] if power.op == "Exp" else None
    if node.op != "Exp":
        return None
    (half,) = reader.operands(node, 1)
    if half.op == "Mul":
        return next((log_var for weight, log_var in reader.both_ways(half) if reader.is_number(weight, 0.5)), None)
    if half.op in ("Div", "RealDiv"):
        log_var, divisor = reader.operands(half, 2)
        return log_var if reader.is_number(divisor, 2.0) else None
    return None


def is_standard_normal(reader: Reader, node: NodeDef) -> bool:
    """Whether a node draws from a standard normal, directly or as noise · 1 + 0."""
    if node.op == "RandomStandardNormal":
        return True
    neutral = {**dict.fromkeys(ADD, 0.0), "Mul": 1.0}.get(node.op)
    if neutral is None:
        return False
    return any(
        reader.is_number(number, neutral) and draw.op in ("RandomStandardNormal", "Mul") and is_standard_normal(reader, draw)
        for number, draw in reader.both_ways(node)
    )


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
