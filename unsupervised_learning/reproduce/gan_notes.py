"""Judge the author's notes on what makes a GAN work by finished runs, one setting changed at a time."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unsupervised_learning import atomic_files
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.errors import RunError
from unsupervised_learning.figures.figure import figure_png
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.reproduce.experiments import EXPERIMENTS, NOTES
from unsupervised_learning.reproduce.gan_measures import FEW_SAMPLES, SAMPLES, Yardstick, course_measures, sample
from unsupervised_learning.reproduce.gan_report import draw, report
from unsupervised_learning.reproduce.gan_verdicts import Result, judge
from unsupervised_learning.reproduce.jobs import Job
from unsupervised_learning.training import finished_run, nonfinite, run_directory

SHOWN = 12  # samples per setting in the figure


def measure(job: Job, failure: str, yardstick: Yardstick, count: int) -> Result:
    """Measure one run by `count` samples; `failure` says why the run failed, if it did."""
    command = " ".join(["python", *job.words])
    result = Result(job.name.removeprefix(f"{NOTES}_"), job.seed, command, failure)
    result.diverged = bool(failure) and (job.folder / nonfinite.RECORD).exists()
    loss = event_files.scalars_logged(job.folder, "Discriminator_loss")
    result.course = np.array(list(loss.items()), np.float64).reshape(-1, 2)
    result.numbers = course_measures(result.course, job.iterations)
    if failure:
        return result
    try:
        model = finished_run.saved_model(job.folder / "model.keras", DCGAN)
    except RunError as error:
        result.failure = str(error)
        return result
    samples, batch_samples = sample(model, count), sample(model, count, batch_statistics=True)
    if not (np.isfinite(samples).all() and np.isfinite(batch_samples).all()):
        result.failure, result.diverged = "its samples are not finite", True
        return result
    result.samples = samples[:SHOWN]
    result.numbers |= yardstick.measure(samples, batch_samples)
    return result


def divergence(job: Job) -> str:
    """Return what a diverged run said; an empty string if it has not diverged."""
    try:
        return str(atomic_files.read_json(job.folder / nonfinite.RECORD)["said"])
    except run_directory.UNREADABLE:
        return ""


def write(ended: Mapping[Job, str], dataset: Dataset, folder: Path, quick: bool) -> None:
    """Measure the notes' runs and write report.md, figure.png and results.json.

    Args:
        ended: each run, and why it failed; an empty string if it did not.
        dataset: the data of the runs.
        folder: folder to write.
        quick: whether the runs are only a look, and few samples are measured.
    """
    jobs = list(ended)
    yardstick, count = Yardstick(dataset), FEW_SAMPLES if quick else SAMPLES
    results = [measure(job, failure, yardstick, count) for job, failure in ended.items()]
    seeds = len({job.seed for job in jobs})
    facts = {
        "data": f"{dataset.name} ({dataset.source})",
        "iterations": jobs[0].iterations,
        "batch_size": EXPERIMENTS[jobs[0].name].expected()["batch_size"],
        "seeds": seeds,
        "samples": count,
        "reference": len(yardstick.reference),
        "components": int(yardstick.pca.n_components_),
        "frechet_of_real_images": yardstick.floor,
        "classifier_accuracy": yardstick.accuracy,
    }
    claims = judge(results, wanted=math.inf if quick else EXPERIMENTS[jobs[0].name].seeds)
    told_of_runs = ("setting", "seed", "command", "failure")
    runs = [{name: getattr(run, name) for name in told_of_runs} | run.numbers for run in results]
    told = [dict(zip(("claim", "compared", "verdict"), claim, strict=True)) for claim in claims]
    folder.mkdir(parents=True, exist_ok=True)
    atomic_files.write_json(folder / "results.json", {**facts, "claims": told, "runs": runs})
    atomic_files.write_atomically(folder / "figure.png", figure_png(draw(results)))
    atomic_files.write_atomically(folder / "report.md", report(results, claims, facts))
