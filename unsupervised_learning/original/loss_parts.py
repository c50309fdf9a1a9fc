"""Split a 2016 loss into reconstruction, KL and regularization with their weights, and write it out as a formula."""

import dataclasses
from typing import Any

from tensorflow.core.framework.node_def_pb2 import NodeDef

from unsupervised_learning.autoencoder import PIXELS
from unsupervised_learning.original.graph_files import Graph, short
from unsupervised_learning.original.graph_network import AUTOENCODER, LOSSES, Network, wrong_graph
from unsupervised_learning.original.loss_terms import Atom, Factor, Reader, Terms, is_close, operation


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

    def described(self) -> dict[str, Any]:
        """Return the fields of `Description` that follow from the loss, except for variable names."""
        is_autoencoder = self.model == AUTOENCODER
        usual = PIXELS if is_autoencoder else 1  # 2016 divides the autoencoder's reconstruction by the pixels
        factors = {"reconstruction": self.reconstruction, **({"kl": self.kl} if self.kl else {})}
        batches = {"reconstruction": self.reconstruction_batch, "kl": self.kl_batch}
        summed = next((name for name in factors if batches[name] == "sum"), None)
        size = factors[summed].divisor / usual if summed else 1.0  # a sum divided by the batch size
        batch = int(size) if size > 1 and size == int(size) else None
        weights = {name: each.value * (batch or 1 if batches[name] == "sum" else 1) for name, each in factors.items()}
        divisor = batch if is_autoencoder else self.reconstruction.divisor
        return {
            "regularization": self.regularization,
            "mean_loss": self.reconstruction_batch == "mean" or batch is not None,
            "reconstruction_weight": tidy(weights["reconstruction"] * usual),
            "reconstruction_average": average(self.reconstruction_batch, divisor),
            "kl_average": average(self.kl_batch, self.kl.divisor) if self.kl and self.kl_batch else None,
            "divisors": {name: factor.divisor for name, factor in factors.items() if factor.divisor != 1},
            "kl_weight": None if is_autoencoder else tidy(weights.get("kl", 0.0)),
            "kl_constant": self.kl_constant,
            "batch": batch,
        }

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
    found: dict[str, str] = {}
    waiting, seen = [loss], set()
    for node in waiting:  # grows, so that outer nodes come first
        if operation(node) in LOSSES and node.name not in seen:
            seen.add(node.name)
            part = part_of(network, reader.expand(node))
            if part:
                found.setdefault(part, f"{node.name}:0")
            waiting += map(reader.resolved, reader.graph.inputs(node))
    return found


def part_of(network: Network, terms: Terms) -> str | None:
    """Return which part of the loss, unweighted except for divisors, these terms are; None if they are not a single part."""
    own = regularization_atoms(network, terms)
    log_vars = [factor.weight for atom, factor in terms.items() if (atom.kind, atom.node) == ("other", network.log_var)]
    if all(atom[:2] == network.reconstruction[:2] and atom.columns and terms[atom].weight == 1 for atom in terms):
        return "reconstruction" if terms else None
    if all(atom in own and terms[atom].value == 1 for atom in terms):
        return "regularization"
    if log_vars == [-0.5] and all(atom.kind in ("other", "square", "exp", "constant") and atom.columns for atom in terms):
        return "kl"
    return None
