"""Write the report on the GAN notes: Markdown tables and a figure."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from unsupervised_learning.evaluation.gan_diagnostics import NEAR_ZERO, NEAR_ZERO_PATIENCE
from unsupervised_learning.evaluation.statistics import plus_minus
from unsupervised_learning.figures.figure import Figure
from unsupervised_learning.reproduce.gan_measures import EQUILIBRIUM, LAST, NEIGHBOURS
from unsupervised_learning.reproduce.gan_verdicts import RULES, SETTINGS, Result, sign_of_failure

COLUMNS = ("frechet", "frechet_batch_statistics", "coverage", "discriminator_loss", "near_zero_share")


def of_column(runs: Sequence[Result], column: str) -> str:
    """Format mean ± standard deviation of a measure over the runs that did not fail."""
    return plus_minus([run.numbers[column] for run in runs if not run.failure and column in run.numbers], ".2f")


def by_setting(results: list[Result]) -> dict[str, list[Result]]:
    """Group the results by setting, in the order of `SETTINGS`."""
    return {name: runs for name in SETTINGS if (runs := [result for result in results if result.setting == name])}


def report(results: list[Result], claims: list[tuple[str, str, str]], facts: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = [
        "# What makes the difference? The notes' claims, tested",
        f"28×28 DCGAN on {facts['data']}, {facts['iterations']:,} iterations of {facts['batch_size']} images, seeds 0 to "
        f"{facts['seeds'] - 1}. *Fréchet*: squared distance between Gaussians fitted to {facts['samples']:,} samples and to "
        f"{facts['reference']:,} training images, in the space of the training images' first {facts['components']} principal "
        "components. It is computed from pixels, unlike the published FID; between two disjoint sets of training images it is "
        f"{facts['frechet_of_real_images']:.3f}. *Coverage*: entropy of the samples' digits divided by ln 10; digits are "
        f"classified by {NEIGHBOURS} nearest neighbours (test accuracy {facts['classifier_accuracy']:.1%}). *D loss*: "
        f"discriminator loss, mean over the last {LAST} iterations; at equilibrium {EQUILIBRIUM:.3f}. *Near zero*: fraction "
        f"of the logged iterations (every tenth) with D loss below {NEAR_ZERO}; *from*: first iteration, by seed, after which "
        f"it stayed there for {NEAR_ZERO_PATIENCE} iterations. Samples are made with the moving statistics, except for the "
        "second Fréchet distance. Mean ± standard deviation over the n seeds that did not fail.",
        RULES,
        "![Courses and samples](figure.png)",
        "| claim | compared by Fréchet distance | verdict |\n|---|---|---|\n"
        + "\n".join(f"| {' | '.join(c)} |" for c in claims),
    ]
    rows = ["| setting | n | Fréchet | Fréchet, batch statistics | coverage | D loss | near zero | from |", "|" + "---|" * 8]
    for name, runs in by_setting(results).items():
        cells = [of_column(runs, column) for column in COLUMNS]
        since = ", ".join(str(run.numbers.get("near_zero_from", "–")) for run in runs)
        rows.append(f"| `{name}` | {sum(not run.failure for run in runs)} | {' | '.join(cells)} | {since} |")
    lines += ["\n".join(rows), *same_losses(results)]
    lines += [f"**Failed:** `{run.setting}`, seed {run.seed}: {run.failure}" for run in results if run.failure]
    commands = "\n".join(runs[0].command for runs in by_setting(results).values())
    lines.append(f"The commands for the first seed; the others differ in --seed and --logs_dir:\n\n```bash\n{commands}\n```")
    return "\n\n".join(lines) + "\n"


def same_losses(results: list[Result]) -> list[str]:
    """Report whether runs that differ only in the moving statistics' decay have the baseline's losses, as they should."""
    baseline = {run.seed: run.course for run in results if run.setting == "baseline"}
    pairs = [(run.course, baseline[run.seed]) for run in results if run.setting.startswith("bn_decay") and run.seed in baseline]
    same = sum(np.array_equal(course, other, equal_nan=True) for course, other in pairs)
    note = (
        "The decay of the moving statistics does not affect training, which normalizes with each batch's own statistics: the "
        f"losses of `bn_decay` equal the baseline's bit for bit in {same} of {len(pairs)} runs. The decay only affects images "
        "that are made with the moving statistics."
    )
    return [note] if pairs else []


def draw(results: list[Result]) -> Figure:
    """Draw one row per setting (discriminator loss, samples of the first seed), and below them early loss against distance."""
    settings = by_setting(results)
    colors = {name: f"C{i}" for i, name in enumerate(SETTINGS)}
    rows = len(settings)
    figure = Figure(figsize=(11, 1.1 * rows + 3.6), dpi=120, layout="constrained")
    grid = figure.add_gridspec(rows + 1, 2, height_ratios=[1.1] * rows + [3.2], width_ratios=[1, 2.6])
    finite = np.concatenate([[EQUILIBRIUM], *(run.course[np.isfinite(run.course[:, 1]), 1] for run in results)])
    top = max(2.0, 1.1 * float(np.percentile(finite, 99)))  # a few spikes may be cut off
    for row, (name, runs) in enumerate(settings.items()):
        axes = figure.add_subplot(grid[row, 0])
        for run in runs:
            axes.plot(run.course[:, 0], run.course[:, 1], color=colors[name], linewidth=0.9, alpha=0.8)
        axes.axhline(EQUILIBRIUM, color="0.4", linestyle="--", linewidth=0.8)
        axes.set(ylim=(0, top), xlim=(0, None))
        axes.set_ylabel("D loss", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.tick_params(labelsize=7, labelbottom=row == rows - 1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("iteration (dashed: equilibrium, 2 ln 2)" if row == rows - 1 else "", fontsize=8)
        strip = figure.add_subplot(grid[row, 1])
        text = of_column(runs, "frechet")
        strip.set_title(f"{name}   Fréchet {text}", loc="left", fontsize=10, color=colors[name], weight="bold")
        strip.axis("off")
        if runs[0].samples is None:
            strip.text(0.0, 0.5, runs[0].failure.rpartition("error: ")[2][:100], fontsize=8, transform=strip.transAxes)
            continue
        tiles = np.pad(runs[0].samples.reshape(-1, 28, 28), ((0, 0), (0, 0), (0, 2)), constant_values=1.0)
        strip.imshow(tiles.transpose(1, 0, 2).reshape(28, -1), cmap="gray", vmin=0, vmax=1)
        strip.set_anchor("W")
    scatter = figure.add_subplot(grid[rows, :])
    said, used = sign_of_failure(results)
    for name, runs in by_setting([run for run in used if math.isfinite(run.score)]).items():
        early = [run.numbers["early_discriminator_loss"] for run in runs]
        scatter.plot(early, [run.score for run in runs], "o", color=colors[name], label=name)
    scatter.set(xlabel="D loss, mean over the first quarter (nats)", ylabel="Fréchet distance at the end")
    scatter.set(xlim=(0, None), ylim=(0, None))
    scatter.set_title(f"Is an early D loss near zero the sign of failure? {said}", loc="left", fontsize=10, weight="bold")
    scatter.spines[["top", "right"]].set_visible(False)
    if scatter.lines:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure
