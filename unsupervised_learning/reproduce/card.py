"""The card of a kept run, `card.md`: what it is, its command, data, seed and numbers beside 2016's, from its records."""

from unsupervised_learning.training import finished_run
from unsupervised_learning.training.finished_run import FinishedRun

LICENCE = (
    "Licence: MIT, as this repository. The experiment is Sarath Shekkizhar's (2016). The data have licences of their own: "
    "MNIST by Yann LeCun and Corinna Cortes (CC BY-SA 3.0); tf_flowers by the TensorFlow team (CC BY 2.0)."
)
CHECKSUM = 12  # hexadecimal digits shown


def card(run: FinishedRun, title: str) -> str:
    """Return the card as Markdown."""
    config, results = run.config, run.results
    graph = config["settings"].get("original_graph")
    what = f"the author's own graph ({graph}) trained today" if graph else f"{run.model_name}, trained from scratch"
    data, sizes = config["data"], ", ".join(f"{count:,} {part}" for part, count in config["data"]["sizes"].items())
    versions = ", ".join(f"{name} {version}" for name, version in config.get("versions", {}).items())
    facts = {
        "What": f"{what}, {results['iterations']:,} iterations, seed {run.seed}",
        "Command": f"`{finished_run.command_of(config)}`",
        "Data": f"{data['name']}: {sizes} images; checksum {data['checksum'][:CHECKSUM]}…",
        "Versions": versions,
        "Training time": f"{results['training_seconds']:,.0f} s" if "training_seconds" in results else "",
    }
    published = results.get("original_2016") or {}
    names = [name for name, value in results.items() if isinstance(value, float) and name != "training_seconds"]
    rows = [f"| {name} | {results[name]:.4g} | {shown(published.get(name))} |" for name in names]
    table = "\n".join(["| number | this run | 2016 |", "|---|---|---|", *rows]) if rows else ""
    lines = "\n".join(f"- {name}: {text}" for name, text in facts.items() if text)
    return "\n\n".join(part for part in (f"# {title}", lines, table, LICENCE) if part) + "\n"


def shown(value: float | None) -> str:
    """Format a published number; empty if there is none."""
    return "" if value is None else f"{value:.4g}"
