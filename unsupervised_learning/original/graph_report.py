"""`graph`: what a run of 2016 was by its own graph, the recipe that comes nearest, and the command that makes the run here."""

import dataclasses
import json
import math
import textwrap
from typing import Any

from unsupervised_learning.original import runs
from unsupervised_learning.original.description import Description, describe
from unsupervised_learning.original.graph_files import Graph, read_graph, short
from unsupervised_learning.original.graph_network import AUTOENCODER
from unsupervised_learning.training.command_line import LARGEST

WIDTH, LABEL = 80, 11  # columns of a terminal, and of what stands before a line
TAGS = 10  # shown of each kind
DEFAULTS: dict[str, runs.Settings] = {  # of the scripts, where a recipe sets nothing
    "train_ae.py": {"z_dim": 3, "activation": "tanh"},
    "train_vae.py": {"z_dim": 3, "activation": "relu", "kl_weight": 1.0},
}
HIDDEN_WIDTH, BETA1, BETA2, EPSILON = 50, 0.9, 0.999, 1e-8  # which no flag of these two scripts sets
NO_GRADIENT = "no flag makes it; it has no gradient, so training is the same"


@dataclasses.dataclass(frozen=True)
class Difference:
    """A setting in which a graph differs from a recipe.

    Attributes:
        setting: its name, that of the flag if there is one.
        graph, recipe: the two values.
        flag: as on the command line; None if no flag makes the graph's value.
        note: why there is no flag; empty if there is one.
    """

    setting: str
    graph: Any
    recipe: Any
    flag: str | None
    note: str = ""


def graph(path: str, as_json: bool) -> int:
    """Print what the graph in a file trains; returns the exit status."""
    found = read_graph(path)
    description = describe(found)
    recipe, differences = nearest(description)
    command = command_for(description, recipe, differences)
    if as_json:
        answer = {
            "file": str(found.path),
            "description": dataclasses.asdict(description),
            "recipe": recipe,
            "differences": [dataclasses.asdict(each) for each in differences],
            "command": command,
        }
        print(json.dumps(answer, indent=2))
    else:
        print("\n".join(report(found, description, recipe, differences, command)))
    return 0


def script_of(description: Description) -> str:
    """The script that trains the model."""
    return "train_ae.py" if description.model == AUTOENCODER else "train_vae.py"


def recipes_of(description: Description) -> dict[str, runs.Settings]:
    """The table of recipes of a graph's model."""
    return runs.AUTOENCODER if description.model == AUTOENCODER else runs.VAE


def nearest(description: Description) -> tuple[str, list[Difference]]:
    """The recipe with the fewest differences from a graph, the later one of equals, and these differences."""
    compared = {name: differences_from(description, name, recipe) for name, recipe in recipes_of(description).items()}
    best = min(reversed(compared), key=lambda name: len(compared[name]))
    return best, compared[best]


def differences_from(description: Description, name: str, recipe: runs.Settings) -> list[Difference]:
    """In what a graph differs from a recipe: first what flags set, then what they do not."""
    settings = {**DEFAULTS[script_of(description)], **recipe}
    found = []
    for setting, ours in settings.items():
        theirs = description.batch if setting == "batch_size" else getattr(description, setting, None)
        if theirs is None or same(theirs, ours):
            continue
        flag = flag_for(setting, theirs)
        found.append(Difference(setting, theirs, ours, flag, "" if flag else "the flag does not take this value"))
    if description.model != AUTOENCODER:
        constant = runs.KL_CONSTANT[name]
        if description.kl_constant is not None and not same(description.kl_constant, constant):
            found.append(Difference("kl_constant", description.kl_constant, constant, None, NO_GRADIENT))
        if not description.mean_loss:
            found.append(Difference("mean_loss", False, True, None, "no flag makes it"))
        heads = "relu" if description.relu_heads else "linear"
        code = ("heads_activation", description.code_activation, heads)
    else:
        code = ("code_activation", description.code_activation, description.activation)
    names = list(description.variables)
    for setting, letter in (("init_stddev", "W"), ("init_bias", "b")):
        if getattr(description, setting) is None:
            starts = sorted({start for each, start in description.starts.items() if each.split("/")[-1].startswith(letter)})
            found.append(Difference(setting, ", ".join(starts), settings[setting], None, "no flag makes it"))
    fixed = [
        code,
        ("width", description.width, HIDDEN_WIDTH),
        ("reconstruction_weight", description.reconstruction_weight, 1.0),
        ("beta1", description.beta1, BETA1),
        ("beta2", description.beta2, BETA2),
        ("epsilon", description.epsilon, EPSILON),
    ]
    if description.regularization:
        fixed.append(("regularized", f"{len(description.regularized)} variables", f"{len(names)} variables"))
    found += [Difference(setting, a, b, None, "no flag makes it") for setting, a, b in fixed if not same(a, b)]
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two settings are the same; numbers as far as float32 tells."""
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return one == other


def flag_for(setting: str, value: Any) -> str | None:
    """The flag that sets a value, or None if it does not take it."""
    if isinstance(value, bool):
        return f"--{'' if value else 'no'}{setting}"
    if isinstance(value, str):
        return f"--{setting}={value}"
    limits = {"z_dim": (1, 784), "batch_size": (1, math.inf), "learning_rate": (math.ulp(0), LARGEST)}
    low, high = limits.get(setting, (0, LARGEST))
    return f"--{setting}={value:.9g}" if low <= value <= high else None


def command_for(description: Description, recipe: str, differences: list[Difference]) -> str:
    """The command that makes the run here, as far as flags can."""
    return " ".join(
        ["python", script_of(description), f"--recipe={recipe}", *(each.flag for each in differences if each.flag is not None)]
    )


# In words


def report(graph: Graph, description: Description, recipe: str, differences: list[Difference], command: str) -> list[str]:
    """The lines that `graph` prints."""
    what = "A variational autoencoder" if description.model != AUTOENCODER else "An autoencoder"
    lines = [short(str(graph.path), 2_000), f"{what}, in TensorFlow's graph format {description.producer}."]
    lines.append("")
    lines += entry("Network", network_in_words(description))
    lines += entry("Loss", description.loss_formula)
    for remark in remarks(description):
        lines += entry("", remark)
    lines += entry("Start", start_in_words(description))
    lines += entry(
        "Optimizer",
        f"Adam, learning rate {description.learning_rate:g}, beta1 {description.beta1:g}, beta2 {description.beta2:g}, "
        f"epsilon {description.epsilon:g}",
    )
    batch = description.batch
    lines += entry(
        "Batch", str(batch) if batch else f"not in the graph; the recipe's is {settings_of(description, recipe)['batch_size']}"
    )
    for kind, tags in description.tags.items():
        if tags:
            more = f", … ({len(tags)}; --json lists all)" if len(tags) > TAGS else ""
            lines += entry(kind.capitalize(), ", ".join(tags[:TAGS]) + more)
    lines += ["", f"The nearest recipe is {recipe}" + ("; differences:" if differences else ", without a difference.")]
    for each in differences:
        note = f" ({each.note})" if each.note else ""
        text = f"{each.setting}: {value_in_words(each.graph)}; {recipe} has {value_in_words(each.recipe)}{note}"
        lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
    matters = [each for each in differences if each.flag is None and each.note != NO_GRADIENT]
    lines += ["", "The nearest run that flags make here:" if matters else "The same run here:"]
    lines += textwrap.wrap(
        command, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return lines


def entry(label: str, text: str) -> list[str]:
    """A labelled paragraph in 80 columns."""
    indent = " " * LABEL
    return textwrap.wrap(
        text, WIDTH, initial_indent=label.ljust(LABEL), subsequent_indent=indent, break_on_hyphens=False, break_long_words=True
    )


def settings_of(description: Description, recipe: str) -> runs.Settings:
    """A recipe's settings."""
    return (runs.AUTOENCODER if description.model == AUTOENCODER else runs.VAE)[recipe]


def network_in_words(description: Description) -> str:
    """The layers in words."""
    sizes = "-".join(map(str, description.layers))
    if description.model == AUTOENCODER:
        return f"{sizes}, {description.activation}; the code {description.code_activation}, the output linear"
    heads = "both through a relu" if description.relu_heads else f"both {description.code_activation}"
    return f"{sizes}, {description.activation}; mu and log_var {heads}; the output logits"


def remarks(description: Description) -> list[str]:
    """What a reader of the loss might overlook."""
    found = []
    if description.model == AUTOENCODER:
        if description.batch:
            divisor = description.divisors["reconstruction"]
            found.append(f"{divisor:g} = {description.layers[0]} pixels · {description.batch} images: averaged over the batch.")
        else:
            found.append("Summed over the batch, not averaged.")
    elif description.batch:
        found.append(f"Sums run over the batch too; / {description.batch} averages them.")
    constant = description.kl_constant
    if constant is not None and constant != 1:
        shift = (constant - 1) * description.z_dim / 2
        found.append(
            f"The KL has the constant {constant:g} where 1 belongs: it is the true KL {'less' if shift > 0 else 'plus'} "
            f"{abs(shift):g} nats. That has no gradient."
        )
    return found


def start_in_words(description: Description) -> str:
    """The variables' start in words."""
    stddev, bias = description.init_stddev, description.init_bias
    weights = "weights not alike" if stddev is None else f"weights from a truncated normal of stddev {stddev:g}"
    return f"{weights}, {'biases not alike' if bias is None else f'biases {bias:g}'}"


def value_in_words(value: Any) -> str:
    """A setting's value as a user types it."""
    return f"{value:.9g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
