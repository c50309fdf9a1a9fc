"""What a graph of 2016 trains: model, loss, start and optimizer, read off its nodes and not off a table of known files."""

import dataclasses

from unsupervised_learning.original.graph_files import Graph, short
from unsupervised_learning.original.graph_network import AUTOENCODER, find_loss, neither
from unsupervised_learning.original.graph_training import Start, find_adam, find_starts, find_tags
from unsupervised_learning.original.loss_parts import split, tensors_of_parts


@dataclasses.dataclass(frozen=True)
class Description:
    """What a graph trains, and the names that a program needs to run it.

    Attributes:
        model: "AutoEncoder" or "VariationalAutoEncoder".
        layers: sizes from input to output, [784, 50, 50, 3, 50, 50, 784]; a VAE has two layers, mu and log_var, for the 3.
        width, z_dim: units of the hidden layers, and latent dimensions.
        activation: of the hidden layers, by the name that --activation takes.
        code_activation: of the autoencoder's code; of the VAE's mu and log_var.
        relu_heads: whether mu and log_var go through a relu; None for the autoencoder.
        init_stddev, init_bias: of all weights' truncated normal, and of all biases; None where they differ or are another.
        starts: how each variable starts, in words, by today's names.
        regularization: weight of Σ l2_loss over `regularized`.
        regularized: the variables in that sum, by today's names.
        mean_loss: whether the loss is averaged over the batch, and not summed.
        reconstruction_weight: factor of the reconstruction, beside the divisors; 1 in all published runs.
        reconstruction_average, kl_average: over the batch: "sum", "mean", or "sum / 256".
        divisors: what the graph divides each part by.
        kl_weight, kl_constant: of kl_weight · −½ Σ(kl_constant + log_var − mu² − exp(log_var)); None for the autoencoder.
        batch: the size of the batch, where the graph divides by it; else None.
        learning_rate, beta1, beta2, epsilon: Adam's.
        tags: what it logs: scalars, histograms, images.
        loss_formula: the loss written out.
        producer: the version of graphs that the program wrote.
        input, noise: tensors: the images [batch, 784], and the noise [batch, z_dim], None for the autoencoder.
        update: the node that does one update.
        initializers: the nodes that give each variable its start, Adam's included.
        losses: tensors by our names: loss, reconstruction, kl, regularization. Scalars, or of shape [batch].
        variables: the graph's variables by today's names, as in `variables_of_2016`.
        slots: the variables of Adam's m and v, by the same names.
        powers: the variables of the powers of beta1 and beta2.
    """

    model: str
    layers: tuple[int, ...]
    width: int
    z_dim: int
    activation: str
    code_activation: str
    relu_heads: bool | None
    init_stddev: float | None
    init_bias: float | None
    starts: dict[str, str]
    regularization: float
    regularized: tuple[str, ...]
    mean_loss: bool
    reconstruction_weight: float
    reconstruction_average: str
    kl_average: str | None
    divisors: dict[str, float]
    kl_weight: float | None
    kl_constant: float | None
    batch: int | None
    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    tags: dict[str, tuple[str, ...]]
    loss_formula: str
    producer: int
    input: str
    noise: str | None
    update: str
    initializers: tuple[str, ...]
    losses: dict[str, str]
    variables: dict[str, str]
    slots: dict[str, tuple[str, str]]
    powers: tuple[str, str]


def describe(graph: Graph) -> Description:
    """What a graph trains.

    The gradients are not looked into: that they are the loss's is taken from where they begin.

    Raises:
        RunError: if it is neither 2016's autoencoder nor its VAE, or has an operation where none is expected.
    """
    adam = find_adam(graph)
    loss, network, reader = find_loss(graph, adam.update)
    own = [name for layer in network.layers for name in (layer.weights, layer.biases)]
    variables = dict(zip(network.names(), own, strict=True))
    if len(set(variables.values())) < len(variables):
        raise neither(graph, "two layers share a variable")
    if set(variables.values()) != set(adam.slots):
        odd = sorted(set(variables.values()) ^ set(adam.slots))[0]
        raise neither(graph, f"{short(odd)} is in only one of the model and Adam's updates")
    by_graph = {name: today for today, name in variables.items()}
    starts = find_starts(reader, [*variables.values(), *(each for pair in adam.slots.values() for each in pair), *adam.powers])
    for name, value in zip(adam.powers, (adam.beta1, adam.beta2), strict=True):
        if starts[name][1] != Start("constant", value):
            raise neither(graph, f"{short(name)} starts at {starts[name][1]}, not at Adam's {value:g}")
    for name in (each for pair in adam.slots.values() for each in pair):
        if starts[name][1] != Start("constant", 0.0):
            raise neither(graph, f"{short(name)} starts at {starts[name][1]}, not at 0")
    parts = split(graph, network, reader.expand(loss))
    weights = {starts[each.weights][1] for each in network.layers}
    biases = {starts[each.biases][1] for each in network.layers}
    layers = network.sizes()
    return Description(
        model=network.model,
        layers=layers,
        width=layers[1],
        z_dim=layers[3],
        activation=network.layers[0].activation,
        code_activation=network.layers[2].activation,
        relu_heads=None if network.model == AUTOENCODER else network.layers[2].activation == "relu",
        init_stddev=common_value(weights, "truncated normal"),
        init_bias=common_value(biases, "constant"),
        starts={today: str(starts[name][1]) for today, name in variables.items()},
        regularization=parts.regularization,
        regularized=tuple(today for today, name in variables.items() if name in parts.regularized),
        mean_loss=parts.mean_loss,
        reconstruction_weight=parts.reconstruction_weight,
        reconstruction_average=parts.reconstruction_average,
        kl_average=parts.kl_average,
        divisors=parts.divisors,
        kl_weight=parts.kl_weight,
        kl_constant=parts.kl_constant,
        batch=parts.batch,
        learning_rate=adam.learning_rate,
        beta1=adam.beta1,
        beta2=adam.beta2,
        epsilon=adam.epsilon,
        tags=find_tags(graph),
        loss_formula=parts.formula(by_graph),
        producer=graph.producer,
        input=f"{network.input}:0",
        noise=network.noise and f"{network.noise}:0",
        update=adam.update,
        initializers=tuple(node for node, _ in starts.values()),
        losses={"loss": f"{loss.name}:0", **tensors_of_parts(reader, loss, network)},
        variables=variables,
        slots={today: adam.slots[name] for today, name in variables.items()},
        powers=adam.powers,
    )


def common_value(starts: set[Start], kind: str) -> float | None:
    """The value that all of these starts have, if they are all of this kind; else None."""
    values = {start.value for start in starts}
    return values.pop() if {start.kind for start in starts} == {kind} and len(values) == 1 else None
