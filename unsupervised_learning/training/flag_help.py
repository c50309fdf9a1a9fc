"""The text of --help: what a script does, and its flags in groups, 80 columns wide."""

import textwrap
from collections.abc import Iterable
from typing import Any

from absl import flags

# Flags of the training scripts by subject, in the order of the text. Other commands have few flags, and no groups.
GROUPS = {
    "run and output": ("recipe", "logs_dir", "max_iterations", "seed", "snapshots", "restore_original", "visualize"),
    "data": ("dataset", "data_dir", "image_dir", "cache_dir", "channels", "binarize", "divide_twice"),
    "model": (
        *("z_dim", "activation", "relu_heads", "discriminator_width", "shared_normalization", "bn_decay"),
        *("initializer", "init_stddev", "init_bias", "gamma_stddev"),
    ),
    "loss": ("kl_weight", "regularization", "sparsity", "mean_loss", "feature_matching"),
    "training": ("batch_size", "learning_rate", "beta1", "generator_steps", "discriminator_every", "real_batches"),
    "speed and devices": ("jit", "strategy", "logical_cpus"),
}
WIDTH, COLUMN = 80, 26
LARGEST = 2**31 - 1  # a bound that is not worth telling


def text(doc: str, of_script: Iterable[flags.Flag]) -> str:
    """Return the text for a script's docstring and its flags."""
    found = {flag.name: flag for flag in of_script}
    groups = GROUPS if set(found) <= {name for names in GROUPS.values() for name in names} else {"flags": tuple(found)}
    # A paragraph with indented lines shows commands, and stays as it is.
    parts = [part if "\n    " in part else textwrap.fill(part, WIDTH) for part in doc.strip().split("\n\n")]
    for title, names in groups.items():
        if lines := [line(found[name]) for name in names if name in found]:
            parts.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join([*parts, "--helpfull lists absl's own flags too."])


def line(flag: Any) -> str:
    """Return a flag's name, and beside it what it does, its values and its default."""
    name = f"  --[no]{flag.name}" if flag.boolean else f"  --{flag.name}"
    said = [(flag.help or "").rpartition(">: ")[2]]  # absl puts the values of an enum before the text
    if isinstance(flag, flags.EnumFlag):
        said.append(f"One of {', '.join(flag.parser.enum_values)}.")
    low, high = (getattr(flag.parser, f"{end}_bound", None) for end in ("lower", "upper"))
    if high is not None and high < LARGEST:
        said.append(f"{low:,} to {high:,}.")
    if flag.default is not None and not (flag.boolean and not flag.default):
        said.append(
            f"Default: {flag.default if isinstance(flag.default, str | int) else str(flag.default_as_str).strip(chr(39))}."
        )
    first = f"{name:<{COLUMN}}" if len(name) < COLUMN - 1 else f"{name}\n{'':<{COLUMN}}"
    return first + f"\n{'':<{COLUMN}}".join(textwrap.wrap(" ".join(said), WIDTH - COLUMN, break_on_hyphens=False))
