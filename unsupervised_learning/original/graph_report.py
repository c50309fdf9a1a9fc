"""`graph`: describe a 2016 run by its own graph, with the nearest recipe and the command that repeats the run here."""

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

WIDTH, LABEL = 80, 11  # columns of the report, and of the labels at its left
TAGS = 10  # tags shown per kind
DEFAULTS: dict[str, runs.Settings] = {  # the scripts' defaults for settings that no recipe has
    "train_ae.py": {"z_dim": 3, "activation": "tanh"},
    "train_vae.py": {"z_dim": 3, "activation": "relu", "kl_weight": 1.0},
}
HIDDEN_WIDTH, BETA1, BETA2, EPSILON = 50, 0.9, 0.999, 1e-8  # no flag of these two scripts sets them
NO_GRADIENT = "no flag sets it; it has no gradient, so training is the same"


@dataclasses.dataclass(frozen=True)
class Difference:
    """A setting in which a graph differs from a recipe.

    Attributes:
        setting: name of the setting, and of its flag if it has one.
        graph, recipe: the two values.
        flag: command-line flag that sets the graph's value; None if no flag does.
        note: why there is no flag; empty if there is one.
    """

    setting: str
    graph: Any
    recipe: Any
    flag: str | None
    note: str = ""


def graph(path: str, as_json: bool) -> int:
    """Print a description of the graph in a file; returns the exit status."""
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
    """Return the name of the script that trains the model."""
    return "train_ae.py" if description.model == AUTOENCODER else "train_vae.py"


def recipes_of(description: Description) -> dict[str, runs.Settings]:
    """Return the recipes of a graph's model."""
    return runs.AUTOENCODER if description.model == AUTOENCODER else runs.VAE


def nearest(description: Description) -> tuple[str, list[Difference]]:
    """Return the recipe with the fewest differences from a graph (the later one if tied), and these differences."""
    compared = {name: differences_from(description, name, recipe) for name, recipe in recipes_of(description).items()}
    best = min(reversed(compared), key=lambda name: len(compared[name]))
    return best, compared[best]


def differences_from(description: Description, name: str, recipe: runs.Settings) -> list[Difference]:
    """Return the differences between a graph and a recipe: first the settings with flags, then those without."""
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
            found.append(Difference("mean_loss", False, True, None, "no flag sets it"))
        heads = "relu" if description.relu_heads else "linear"
        code = ("heads_activation", description.code_activation, heads)
    else:
        code = ("code_activation", description.code_activation, description.activation)
    names = list(description.variables)
    for setting, letter in (("init_stddev", "W"), ("init_bias", "b")):
        if getattr(description, setting) is None:
            starts = sorted({start for each, start in description.starts.items() if each.split("/")[-1].startswith(letter)})
            found.append(Difference(setting, ", ".join(starts), settings[setting], None, "no flag sets it"))
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
    found += [Difference(setting, a, b, None, "no flag sets it") for setting, a, b in fixed if not same(a, b)]
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two settings are equal; numbers are compared to float32 precision."""
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return one == other


def flag_for(setting: str, value: Any) -> str | None:
    """Return the flag that sets a value, or None if the value is outside the flag's range."""
    if isinstance(value, bool):
        return f"--{'' if value else 'no'}{setting}"
    if isinstance(value, str):
        return f"--{setting}={value}"
    limits = {"z_dim": (1, 784), "batch_size": (1, math.inf), "learning_rate": (math.ulp(0), LARGEST)}
    low, high = limits.get(setting, (0, LARGEST))
    return f"--{setting}={value:.9g}" if low <= value <= high else None


def command_for(description: Description, recipe: str, differences: list[Difference]) -> str:
    """Return the command that repeats the run here, as far as flags allow."""
    return " ".join(
        ["python", script_of(description), f"--recipe={recipe}", *(each.flag for each in differences if each.flag is not None)]
    )


# In words


def report(graph: Graph, description: Description, recipe: str, differences: list[Difference], command: str) -> list[str]:
    """Return the lines that `graph` prints."""
    what = "A variational autoencoder" if description.model != AUTOENCODER else "An autoencoder"
    lines = [short(str(graph.path), 2_000), f"{what}, in TensorFlow graph format {description.producer}."]
    lines.append("")
    lines += entry("Network", network_in_words(description))
    lines += entry("Loss", description.loss_formula)
    for remark in remarks(description):
        lines += entry("", remark)
    lines += entry("Initial", start_in_words(description))
    adam = {name: getattr(description, name) for name in ("learning_rate", "beta1", "beta2", "epsilon")}
    lines += entry("Optimizer", f"Adam, {', '.join(f'{name} {value:g}' for name, value in adam.items())}".replace("_", " "))
    missing = f"not in the graph; the recipe uses {recipes_of(description)[recipe]['batch_size']}"
    lines += entry("Batch", str(description.batch or missing))
    for kind, tags in description.tags.items():
        if tags:
            more = f", … ({len(tags)}; --json lists all)" if len(tags) > TAGS else ""
            lines += entry(kind.capitalize(), ", ".join(tags[:TAGS]) + more)
    lines += ["", f"The nearest recipe is {recipe}" + ("; differences:" if differences else ", with no differences.")]
    for each in differences:
        note = f" ({each.note})" if each.note else ""
        text = f"{each.setting}: {value_in_words(each.graph)}; {recipe} has {value_in_words(each.recipe)}{note}"
        lines += wrapped(text, "  ", "    ")
    matters = [each for each in differences if each.flag is None and each.note != NO_GRADIENT]
    lines += ["", "Nearest run that flags allow here:" if matters else "The same run here:"]
    return lines + wrapped(command, "  ", "    ", break_long_words=False)


def entry(label: str, text: str) -> list[str]:
    """Return the lines of a labelled paragraph."""
    return wrapped(text, label.ljust(LABEL), " " * LABEL)


def wrapped(text: str, first: str, others: str, break_long_words: bool = True) -> list[str]:
    """Wrap a text to 80 columns; the first line begins with `first`, the others with `others`."""
    wrapper = textwrap.TextWrapper(WIDTH, first, others, break_on_hyphens=False, break_long_words=break_long_words)
    return wrapper.wrap(text)


def network_in_words(description: Description) -> str:
    """Describe the layers."""
    sizes = "-".join(map(str, description.layers))
    if description.model == AUTOENCODER:
        return f"{sizes}, {description.activation}; the code {description.code_activation}, the output linear"
    heads = "both through a relu" if description.relu_heads else f"both {description.code_activation}"
    return f"{sizes}, {description.activation}; mu and log_var {heads}; the output logits"


def remarks(description: Description) -> list[str]:
    """Return remarks on easily overlooked details of the loss."""
    found = []
    if description.model == AUTOENCODER:
        if description.batch:
            divisor = description.divisors["reconstruction"]
            found.append(f"{divisor:g} = {description.layers[0]} pixels · {description.batch} images: a mean over the batch.")
        else:
            found.append("Summed over the batch, not averaged.")
    elif description.batch:
        found.append(f"Sums include the batch; / {description.batch} makes them means over it.")
    constant = description.kl_constant
    if constant is not None and constant != 1:
        shift = (constant - 1) * description.z_dim / 2
        found.append(
            f"The KL has the constant {constant:g} instead of 1, so it is the true KL {'minus' if shift > 0 else 'plus'} "
            f"{abs(shift):g} nats. The gradient is the same."
        )
    return found


def start_in_words(description: Description) -> str:
    """Describe the variables' initial values."""
    stddev, bias = description.init_stddev, description.init_bias
    weights = "mixed weights" if stddev is None else f"weights from a truncated normal of stddev {stddev:g}"
    return f"{weights}, {'mixed biases' if bias is None else f'biases {bias:g}'}"


def value_in_words(value: Any) -> str:
    """Format a setting's value as on the command line."""
    return f"{value:.9g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
