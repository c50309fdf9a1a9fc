"""Split a 2016 loss into reconstruction, KL and regularization with their weights, and write it out as a formula."""

import dataclasses
from collections.abc import Callable

from tensorflow.core.framework.node_def_pb2 import NodeDef

from unsupervised_learning.autoencoder import PIXELS
from unsupervised_learning.original.graph_files import Graph, short
from unsupervised_learning.original.graph_network import AUTOENCODER, LOSSES, Network, wrong_graph
from unsupervised_learning.original.loss_terms import Atom, Factor, Reader, Terms, is_close


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts of a loss.

    Attributes:
        model: as in `Description`.
        reconstruction: factor of the reconstruction.
        kl: factor of −½ Σ(kl_constant + log_var − mu² − exp(log_var)); None without KL.
        reconstruction_batch, kl_batch: reduction over the batch, "sum" or "mean".
        kl_constant: see `kl`; None without KL.
        regularization: weight of Σ l2_loss over `regularized`, which names variables of the graph.
    """

    model: str
    reconstruction: Factor
    reconstruction_batch: str
    kl: Factor | None
    kl_batch: str | None
    kl_constant: float | None
    regularization: float
    regularized: frozenset[str]

    @property
    def divisors(self) -> dict[str, float]:
        """Divisors of the reconstruction and the KL, unless they are 1."""
        factors = {"reconstruction": self.reconstruction, "kl": self.kl}
        return {name: factor.divisor for name, factor in factors.items() if factor is not None and factor.divisor != 1}

    @property
    def batch(self) -> int | None:
        """Batch size if sums over the batch are divided by it; else None."""
        if self.model == AUTOENCODER:
            size = self.reconstruction.divisor / PIXELS
        elif self.reconstruction_batch == "sum":
            size = self.reconstruction.divisor
        else:
            size = self.kl.divisor if self.kl is not None and self.kl_batch == "sum" else 1.0
        return int(size) if size > 1 and size == int(size) else None

    @property
    def mean_loss(self) -> bool:
        """Whether the loss is averaged over the batch."""
        return self.reconstruction_batch == "mean" or self.batch is not None

    @property
    def reconstruction_weight(self) -> float:
        """Factor of the reconstruction apart from averaging: over the batch, and for the autoencoder over pixels too."""
        usual = PIXELS if self.model == AUTOENCODER else 1
        averaged = self.batch or 1 if self.reconstruction_batch == "sum" else 1
        return tidy(self.reconstruction.value * usual * averaged)

    @property
    def kl_weight(self) -> float | None:
        """Factor of the KL apart from averaging over the batch; 0 for a VAE without KL, None for the autoencoder."""
        if self.model == AUTOENCODER:
            return None
        if self.kl is None:
            return 0.0
        return tidy(self.kl.value * ((self.batch or 1) if self.kl_batch == "sum" else 1))

    @property
    def reconstruction_average(self) -> str:
        """How the reconstruction is averaged over the batch."""
        return average(self.reconstruction_batch, self.batch if self.model == AUTOENCODER else self.reconstruction.divisor)

    @property
    def kl_average(self) -> str | None:
        """How the KL is averaged over the batch."""
        return average(self.kl_batch, self.kl.divisor) if self.kl is not None and self.kl_batch else None

    def formula(self, names: dict[str, str]) -> str:
        """Write out the loss.

        Args:
            names: variable names in the graph → today's names.
        """
        if self.model == AUTOENCODER:
            terms = [weighted("l2_loss(output − input)", self.reconstruction)]
        else:
            terms = [weighted("Σ entropy", self.reconstruction)]
            if self.kl is not None:
                inner = f"−½ Σ({self.kl_constant:g} + log_var − mu² − exp(log_var))"
                terms.append(weighted(f"({inner})", self.kl))
            batches = {self.reconstruction_batch, self.kl_batch or self.reconstruction_batch}
            if batches == {"mean"}:
                terms = [f"mean({' + '.join(terms)})"]
            elif "mean" in batches:
                ways = (self.reconstruction_batch, self.kl_batch)
                terms = [f"mean({term})" if way == "mean" else term for term, way in zip(terms, ways, strict=False)]
        if self.regularized:
            today = [names[name] for name in names if name in self.regularized]
            terms.append(f"{self.regularization:g} · Σ l2_loss({in_words(today, list(names.values()))})")
        return " + ".join(terms)


def tidy(number: float) -> float:
    """Round off the floating-point error of a few multiplications and divisions."""
    return float(f"{number:.6g}")


def average(batch: str | None, divisor: float | None) -> str:
    """Describe a reduction over the batch: mean, sum, or sum / 256."""
    return f"{batch} / {divisor:g}" if batch == "sum" and divisor and divisor != 1 else str(batch)


def weighted(term: str, factor: Factor) -> str:
    """Write a term with its weight and divisor, unless they are 1."""
    weight = f"{factor.weight:g} · " if factor.weight != 1 else ""
    divisor = f" / {factor.divisor:.9g}" if factor.divisor != 1 else ""
    return f"{weight}{term}{divisor}"


def in_words(chosen: list[str], names: list[str]) -> str:
    """Describe which of the variables are chosen."""
    if chosen == names:
        return "each W and b"
    if chosen == [name for name in names if name.split("/")[-1].startswith("W")]:
        return "each W"
    return f"each of {', '.join(chosen)}"


def split(graph: Graph, network: Network, terms: Terms) -> Parts:
    """Split an expanded loss into its parts.

    Raises:
        RunError: if there is no reconstruction, or an unknown term.
    """
    left = {atom: factor for atom, factor in terms.items() if factor.weight != 0}
    regularized = {atom.node: left.pop(atom).value for atom in regularization_atoms(network, left)}
    weights = list(regularized.values())
    if any(not is_close(weight, weights[0]) for weight in weights):
        raise wrong_graph(graph, f"its variables are regularized with different weights, {min(weights):g} to {max(weights):g}")
    found = [atom for atom in left if atom[:2] == network.reconstruction[:2] and atom.columns == "sum" and atom.batch]
    if len(found) != 1:
        raise wrong_graph(
            graph, "its loss has no reconstruction that is summed over pixels and summed or averaged over the batch"
        )
    reconstruction = left.pop(found[0])
    kl, kl_batch, kl_constant = None, None, None
    log_var = next((atom for atom in left if atom.kind == "other" and atom.node == network.log_var), None)
    if log_var is not None and log_var.columns == "sum" and log_var.batch:
        factor = left.pop(log_var)
        kl, kl_batch = Factor(tidy(factor.weight * -2), factor.divisor), log_var.batch
        for kind, node in (("square", network.mu), ("exp", network.log_var)):
            part = left.pop(log_var._replace(kind=kind, node=node), None)
            if part is None or not is_close(part.value, -factor.value):
                raise wrong_graph(graph, f"its KL has no −{'mu²' if kind == 'square' else 'exp(log_var)'} to match log_var")
        constant = left.pop(log_var._replace(kind="constant", node=""), None)
        kl_constant = tidy(constant.value / factor.value) if constant is not None else 0.0
    if left:
        odd = ", ".join(sorted(f"{atom.kind} {short(atom.node)}".strip() for atom in left)[:3])
        raise wrong_graph(graph, f"its loss has unknown terms: {odd}")
    return Parts(
        network.model,
        reconstruction,
        found[0].batch,
        kl,
        kl_batch,
        kl_constant,
        regularization=weights[0] if weights else 0.0,
        regularized=frozenset(regularized),
    )


def regularization_atoms(network: Network, terms: Terms) -> list[Atom]:
    """Return those terms that are the l2_loss of one of the model's variables."""
    own = {name for layer in network.layers for name in (layer.weights, layer.biases)}
    return [atom for atom in terms if atom.kind == "l2" and atom.node in own]


def tensors_of_parts(reader: Reader, loss: NodeDef, network: Network) -> dict[str, str]:
    """Return the tensor of each part of a loss, by our names: reconstruction, kl, regularization.

    This is the outermost node that computes that part alone, unweighted except for divisors. Parts without one are left out.
    """

    def is_reconstruction(terms: Terms) -> bool:
        return all(
            atom[:2] == network.reconstruction[:2] and atom.columns and factor.weight == 1 for atom, factor in terms.items()
        )

    def is_kl(terms: Terms) -> bool:
        weights = [factor.weight for atom, factor in terms.items() if atom.kind == "other" and atom.node == network.log_var]
        kinds = {"other", "square", "exp", "constant"}
        return weights == [-0.5] and all(atom.kind in kinds and atom.columns for atom in terms)

    def is_regularization(terms: Terms) -> bool:
        own = set(regularization_atoms(network, terms))
        return all(atom in own and factor.value == 1 for atom, factor in terms.items())

    tests: dict[str, Callable[[Terms], bool]] = {
        "reconstruction": is_reconstruction,
        "kl": is_kl,
        "regularization": is_regularization,
    }
    found: dict[str, str] = {}
    waiting, seen = [loss], {loss.name}
    while waiting:
        node = waiting.pop(0)
        if node.op not in LOSSES:
            continue
        terms = reader.expand(node)
        for name, test in tests.items():
            if name not in found and terms and test(terms):
                found[name] = f"{node.name}:0"
        for each in map(reader.resolved, reader.graph.inputs(node)):
            if each.name not in seen:
                seen.add(each.name)
                waiting.append(each)
    return found
