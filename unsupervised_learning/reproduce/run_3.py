"""Infer the regularization weight of run 3, the post's figure, from its latent dumps, because its graph is lost.

Run 3 had one of the three weights of the author's other runs. We train several seeds with each weight, and measure the codes
of the test set at the iterations for which run 3 left dumps. A weight is ruled out if its runs do not come near run 3's
numbers.
"""

import math
from pathlib import Path

import numpy as np

from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import representation, statistics
from unsupervised_learning.monitoring.dumps import read_dump
from unsupervised_learning.reproduce import experiments
from unsupervised_learning.reproduce.experiments import DUMPED, EXPERIMENTS
from unsupervised_learning.training.finished_run import FinishedRun

CANDIDATES = ("autoencoder_run2", "autoencoder", "autoencoder_run4")  # weights 1e-2, 1e-4 and 1e-5
MEASURES = ("kNN", "silhouette", "spread")


def run_3(folder: Path, logs_dir: Path) -> int:
    """Print run 3's measures and those of our runs with each weight; returns the exit status."""
    if not logs_dir.is_dir():
        raise RunError(f"LOGS must be the folder of our runs. Received: {logs_dir}")
    dumps = {iteration: folder / f"checkpoint{iteration}.txt" for iteration in DUMPED}
    if missing := [path.name for path in dumps.values() if not path.is_file()]:
        raise RunError(f"DIR must hold run 3's dumps. Received: {folder}, without {', '.join(missing)}")
    published = {iteration: measures(*read_dump(path)) for iteration, path in dumps.items()}
    found = experiments.find_runs(logs_dir)
    lines = [f"{'':<28}" + "".join(f"{f'at {iteration:,}':>18}" for iteration in DUMPED)]
    ours = {name: {iteration: of_runs(found[name], iteration) for iteration in DUMPED} for name in CANDIDATES}
    for measure in MEASURES:
        lines.append(f"{measure}, run 3".ljust(28) + "".join(f"{published[i][measure]:>18.3f}" for i in DUMPED))
        for name in CANDIDATES:
            lines.append(row(measure, name, ours[name], published))
    print("\n".join(lines))
    print(
        f"Mean ± standard deviation over the seeds. *: outside the {statistics.LEVEL:.0%} prediction interval for one more run,"
    )
    print(f"widened for {len(MEASURES) * len(DUMPED)} comparisons (Bonferroni).")
    return 0


def measures(codes: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Measure codes [n, 3]: kNN accuracy, silhouette, and standard deviation averaged over the dimensions (`spread`)."""
    silhouette = representation.silhouette(codes, labels)
    return {
        "kNN": representation.knn_accuracy(codes, labels),
        "silhouette": math.nan if silhouette is None else silhouette,
        "spread": float(codes.std(axis=0).mean()),
    }


def of_runs(found: list[FinishedRun], iteration: int) -> list[dict[str, float]]:
    """Return the measures of each run's dump before an iteration; runs without that dump are left out."""
    return [measures(*dump) for run in found if (dump := run.dump(iteration)) is not None]


def row(measure: str, name: str, ours: dict[int, list[dict[str, float]]], published: dict[int, dict[str, float]]) -> str:
    """Format a line of the table: one measure of the runs with one weight."""
    weight = {"regularization": 1e-4, **experiments.SCRIPTS["AutoEncoder"].recipes[EXPERIMENTS[name].recipe]}["regularization"]
    label = f"  weight {weight:g} (n = {len(ours[DUMPED[-1]])})"
    cells = []
    for iteration, of in ours.items():
        values = [one[measure] for one in of]
        if len(values) < statistics.FEWEST:
            cells.append(f"{', '.join(f'{value:.3f}' for value in values) or '–':>18}")
            continue
        found = statistics.predicted(values, published[iteration][measure], len(MEASURES) * len(DUMPED))
        cells.append(f"{f'{found.mean:.3f} ± {found.deviation:.3f}' + ('' if found.inside else ' *'):>18}")
    return label.ljust(28) + "".join(cells)
