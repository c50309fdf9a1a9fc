"""Describe what a 2016 graph trains: model, loss, initial values and optimizer, derived from its nodes alone."""

import dataclasses

from unsupervised_learning.original.graph_files import Graph, short
from unsupervised_learning.original.graph_network import AUTOENCODER, find_loss, wrong_graph
from unsupervised_learning.original.graph_training import Start, find_adam, find_starts, find_tags
from unsupervised_learning.original.loss_parts import split, tensors_of_parts


@dataclasses.dataclass(frozen=True)
class Description:
    """What a graph trains, and the node and tensor names needed to run it.

    Attributes:
        model: "AutoEncoder" or "VariationalAutoEncoder".
        layers: sizes from input to output, [784, 50, 50, 3, 50, 50, 784]; a VAE's 3 stands for two layers, mu and log_var.
        width, z_dim: units of the hidden layers, and latent dimensions.
        activation: activation of the hidden layers, as for --activation.
        code_activation: activation of the autoencoder's code, or of the VAE's mu and log_var.
        relu_heads: whether mu and log_var have a relu; None for the autoencoder.
        init_stddev: stddev of the weights' truncated normal; None if mixed or of another distribution.
        init_bias: initial value of the biases; None if mixed or not constant.
        starts: initial value of each variable, in words, by today's names.
        regularization: weight of Σ l2_loss over `regularized`.
        regularized: variables in that sum, by today's names.
        mean_loss: whether the loss is averaged over the batch rather than summed.
        reconstruction_weight: factor of the reconstruction apart from the divisors; 1 in all published runs.
        reconstruction_average, kl_average: reduction over the batch: "sum", "mean", or "sum / 256".
        divisors: divisor of each part, unless it is 1.
        kl_weight, kl_constant: as in kl_weight · −½ Σ(kl_constant + log_var − mu² − exp(log_var)); None for the autoencoder.
        batch: batch size if the graph divides by it; else None.
        learning_rate, beta1, beta2, epsilon: Adam's settings.
        tags: logged tags by kind: scalars, histograms, images.
        loss_formula: the loss written out.
        producer: graph format version.
        input, noise: tensors of the images [batch, 784] and the noise [batch, z_dim]; the autoencoder has no noise (None).
        update: node that does one update.
        initializers: nodes that initialise all variables, including Adam's.
        losses: tensors by our names: loss, reconstruction, kl, regularization. Scalars, or of shape [batch].
        variables: the graph's variables by today's names, as in `variables_of_2016`.
        slots: variables of Adam's m and v, by the same names.
        powers: variables of the powers of beta1 and beta2.
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
    """Describe what a graph trains.

    The gradient nodes are not checked; they are assumed to be the loss's gradients, because they start from it.

    Raises:
        RunError: if the graph is neither 2016's autoencoder nor its VAE, or has an unexpected operation.
    """
    adam = find_adam(graph)
    loss, network, reader = find_loss(graph, adam.update)
    own = [name for layer in network.layers for name in (layer.weights, layer.biases)]
    variables = dict(zip(network.names(), own, strict=True))
    if len(set(variables.values())) < len(variables):
        raise wrong_graph(graph, "two layers share a variable")
    if set(variables.values()) != set(adam.slots):
        odd = sorted(set(variables.values()) ^ set(adam.slots))[0]
        raise wrong_graph(graph, f"{short(odd)} is in the model or in Adam's updates, but not in both")
    by_graph = {name: today for today, name in variables.items()}
    starts = find_starts(reader, [*variables.values(), *(each for pair in adam.slots.values() for each in pair), *adam.powers])
    for name, value in zip(adam.powers, (adam.beta1, adam.beta2), strict=True):
        if starts[name][1] != Start("constant", value):
            raise wrong_graph(graph, f"{short(name)} starts at {starts[name][1]}, not at Adam's {value:g}")
    for name in (each for pair in adam.slots.values() for each in pair):
        if starts[name][1] != Start("constant", 0.0):
            raise wrong_graph(graph, f"{short(name)} starts at {starts[name][1]}, not at 0")
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
        **parts.described(),
        regularized=tuple(today for today, name in variables.items() if name in parts.regularized),
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
    """Return the common value of these starts if they are all of this kind; else None."""
    values = {start.value for start in starts}
    return values.pop() if {start.kind for start in starts} == {kind} and len(values) == 1 else None
