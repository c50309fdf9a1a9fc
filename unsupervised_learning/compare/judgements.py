"""Judge the post's claims by our runs: the numbers of 2016 with their sources, and one function per kind of claim.

The numbers of 2016 were measured on the author's files. Runs 1, 2, 4 and 5 of the autoencoder are in the repository
shekkizh/TensorflowProjects at 5bd5563, folder "logs/MNIST_logs". Run 3, the VAEs and the GAN are in
shekkizh/neuralnetworks.thought-experiments at 961734b, folder "Generative Models".
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from unsupervised_learning import errors
from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import representation, statistics
from unsupervised_learning.evaluation.statistics import mean_sd
from unsupervised_learning.figures import curves
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.monitoring.tags import TRUE_KL
from unsupervised_learning.original.runs import RESULTS_OF_2016
from unsupervised_learning.reproduce.experiments import (
    CONTESTANTS,
    DUMPED,
    EXPERIMENTS,
    HEADS_OF_2016,
    Runs,
    as_published,
    heads_alive,
)
from unsupervised_learning.training import run_directory
from unsupervised_learning.training.finished_run import FinishedRun

AE, VAE = RESULTS_OF_2016["autoencoder"], {form: RESULTS_OF_2016[f"vae_{form}"] for form in ("first", "fixed")}
KNN_BY_ITERATION = dict(zip(DUMPED, (0.290, 0.515, 0.807, 0.809), strict=True))  # run 3's dumps, shown in the post's figure
CLUSTERS_OF_2016 = 0.546  # NMI of k-means on run 5's dump at 20,000, measured by `representation.clustering`
LOG_VAR_OF_2016 = (-6.0, -5.5, -5.5)  # fixed form, after training; all are 0 in the first form
RUN1_LOSS = {"Loss": 0.0205}  # event file of run 1, mean from iteration 9,000 to the end at 10,000
RUN2_LOSS = {"Encoder_loss": 5.233, "Loss": 6.052}  # event file of run 2, mean from iteration 10,000 to the end before 12,000
RUN4_L2 = 4.505  # test L2 of run 4's checkpoint 20,000, replayed
GAN_LEVELS = (1.4, 5.0)  # losses of discriminator and generator up to iteration 2,000, read off the plots for faces
LOG_VAR_AT = (0, 1_000, 10_000, 100_000)
CLOSE = 0.01  # our choice: a linear autoencoder's MSE within 1 % of PCA's counts as equal
TESTS = 10  # comparisons with a published number in the table of claims; their intervals are widened for it (Bonferroni)
# Our choice: differences from the author's graph, trained today, that do not matter; about 1 % of L2, .2 % of the bound.
MARGINS = {"test_l2": 0.05, "knn_accuracy": 0.02, "negative_elbo": 0.3}


class Comparison(NamedTuple):
    """A published number, and the same number of our runs and of the author's graph trained today, run by run."""

    published: float
    ours: Sequence[float]
    graph: Sequence[float] = ()
    form: str = ".3f"
    name: str = ""  # which number, if a claim has several


class Judgement(NamedTuple):
    """Our numbers for a claim, the verdict and a remark; the numbers that are compared with a published one, if any."""

    ours: str
    verdict: str
    why: str = ""
    graph: str = ""
    compared: tuple[Comparison, ...] = ()


class Claim(NamedTuple):
    """Something that the post says or shows, and how to test it.

    Attributes:
        text: the claim in our words.
        original: the number of 2016.
        expected: the outcome that counts as reproduced; completes "reproduced if …".
        how: what is measured.
        experiments: names of the experiments that must have a finished run.
        judge: judges the runs; called only if every experiment has a run.
        measurement: a further command to run, if the claim needs one.
    """

    text: str
    original: str
    expected: str
    how: str
    experiments: tuple[str, ...]
    judge: Callable[[Runs], Judgement]
    measurement: str = ""

    @property
    def command(self) -> str:
        """The commands that produce everything the claim needs."""
        commands = []
        for name in self.experiments:
            last = EXPERIMENTS[name].seeds - 1
            more = f"; repeat with {'seed 1' if last == 1 else f'seeds 1 to {last}'}" if last else ""
            commands.append(EXPERIMENTS[name].command(name) + more)
        return "; ".join([*commands, self.measurement] if self.measurement else commands)

    def find(self, runs: Runs) -> Judgement:
        """Judge the claim by these runs; `CANNOT` if runs or their files are missing or damaged."""
        missing = [name for name in self.experiments if not runs.get(name)]
        if missing:
            return Judgement("–", CANNOT, f"no finished run of {', '.join(missing)}")
        try:
            return self.judge(runs)
        except RunError as error:
            return Judgement("–", CANNOT, str(error))
        except run_directory.UNREADABLE as error:  # written by another version, or damaged
            return Judgement("–", CANNOT, f"a record is damaged or from another version ({errors.reason(error)})")


REPRODUCED, DIFFERS, CANNOT = "reproduced", "differs", "cannot be tested"


def signed(values: Sequence[float]) -> str:
    """Numbers with one decimal and a typographic minus sign."""
    return ", ".join(f"{value:.1f}" for value in values).replace("-", "−")


def judged(holds: bool, ours: str, why: str = "") -> Judgement:
    """REPRODUCED if the claim holds, otherwise DIFFERS."""
    return Judgement(ours, REPRODUCED if holds else DIFFERS, why)


def match_2016(compared: Comparison, margin: float = 0.0) -> Judgement:
    """Judge whether 2016's number is one of ours, and whether our runs equal those of the author's graph.

    REPRODUCED if 2016's number lies in the prediction interval for one more run of ours, and the author's graph, if it was
    trained, is not shown to differ by more than `margin`. See `evaluation.statistics` for both intervals.
    """
    published, ours, graph, form, _ = compared
    if len(ours) < statistics.FEWEST:
        why = f"a verdict needs at least {statistics.FEWEST} runs; there are {len(ours)}"
        return Judgement(mean_sd(ours, form), CANNOT, why, mean_sd(graph, form) if graph else "", (compared,))
    found = statistics.predicted(ours, published, TESTS)
    place = "in" if found.inside else "outside"
    why = f"2016 is {place} {found.low:{form}} … {found.high:{form}}, the interval for one more run (p = {found.p:.2g})"
    holds = found.inside
    if len(graph) >= statistics.FEWEST:
        difference = statistics.difference(ours, graph, margin, TESTS)
        why += f"; ours − graph {difference} (p = {difference.p:.2g})"
        holds = holds and difference.low <= margin and difference.high >= -margin
    return judged(holds, mean_sd(ours, form), why)._replace(graph=mean_sd(graph, form) if graph else "", compared=(compared,))


def results_match(runs: Runs, experiment: str, graph: str, name: str, published: float, form: str = ".3f") -> Judgement:
    """Apply `match_2016` to a number of results.json."""
    theirs = numbers(runs.graphs.get(graph, []), name)
    return match_2016(Comparison(published, numbers(runs[experiment], name), theirs, form), MARGINS[name])


def numbers(runs: Sequence[FinishedRun], name: str) -> list[float]:
    """A number from the results.json of each run."""
    return [float(run.results[name]) for run in runs]


def longer_is_better(runs: Runs) -> Judgement:
    """Compare the kNN accuracy of the dumps at four iterations, in the runs that have them."""
    courses = []
    for run in runs["autoencoder"]:
        dumps = [dump for iteration in KNN_BY_ITERATION if (dump := run.dump(iteration))]
        if len(dumps) == len(KNN_BY_ITERATION):
            courses.append([representation.knn_accuracy(*dump) for dump in dumps])
    if not courses:
        return Judgement("–", CANNOT, "no run has all of its checkpoint<step>.txt")
    means = np.mean(courses, axis=0)
    ours = ", ".join(f"{mean:.3f}" for mean in means) + f" (n = {len(courses)})"
    return judged(bool(means[0] < means[1] < means[2] < means[3] + 0.01), ours)


def clusters(runs: Runs) -> Judgement:
    """Compare the NMI of k-means on the last dumps with 2016's, in the runs that have them."""
    dumps = [dump for run in runs["autoencoder"] if (dump := run.dump(20_000))]
    found = [representation.clustering(*dump)["nmi"] for dump in dumps]
    return match_2016(Comparison(CLUSTERS_OF_2016, [value for value in found if value is not None]))


def logged_losses(runs: Sequence[FinishedRun], before: dict[str, float], start: int, stop: int) -> Judgement:
    """Compare losses with 2016's by tag: means over the values logged at iterations in [start, stop), then over runs."""
    found = []
    for tag, published in before.items():
        means = [mean_between(event_files.scalars_logged(run.path, tag), start, stop) for run in runs]
        found.append(match_2016(Comparison(published, means, form=".3g", name=tag if len(before) > 1 else "")))
    ours, why = ("; ".join(texts) for texts in ([each.ours for each in found], [each.why for each in found]))
    verdict = max((each.verdict for each in found), key=(REPRODUCED, DIFFERS, CANNOT).index)
    return Judgement(ours, verdict, why, "", tuple(one for each in found for one in each.compared))


def beats_pca(runs: Runs) -> Judgement:
    """Compare the test MSE of the autoencoder and of PCA."""
    ours, pca = numbers(runs["autoencoder"], "test_mse"), [float(run.results["pca"]["test_mse"]) for run in runs["autoencoder"]]
    return judged(max(ours) < min(pca), f"{mean_sd(ours, '.4f')}, PCA {np.mean(pca):.4f}")


def linear_is_pca(runs: Runs) -> Judgement:
    """Compare the error and the subspace of linear autoencoders with PCA's."""
    linear = runs["autoencoder_linear"]
    mse, cosines = numbers(linear, "test_mse"), numbers(linear, "pca_subspace_cosine")
    pca = linear[0].results["pca"]["test_mse"]
    ours = f"{mean_sd(mse, '.4f')}, PCA {pca:.4f}; smallest cosine of the largest angle {min(cosines):.4f}"
    return judged(max(mse) / pca - 1 < CLOSE and min(cosines) > 0.99, ours)


def sparse(runs: Runs) -> Judgement:
    """Compare sparsity and kNN accuracy with and without the penalty."""
    sparsity, accuracy = (numbers(runs["autoencoder_sparse"], name) for name in ("code_sparsity", "knn_accuracy"))
    usual, accuracy_of_usual = (numbers(runs["autoencoder_wide"], name) for name in ("code_sparsity", "knn_accuracy"))
    ours = (
        f"with {mean_sd(sparsity)} and kNN {mean_sd(accuracy)}, without {mean_sd(usual)} and kNN {mean_sd(accuracy_of_usual)}"
    )
    rises = np.subtract.outer(sparsity, usual)  # every run with the penalty, minus every run without
    holds = rises.min() > 0.1 and min(accuracy) > 0.8
    why = f"Over all pairs of runs the sparsity rises by {rises.min():.3f} to {rises.max():.3f}, {rises.mean():.3f} on average."
    return judged(holds, ours, "" if holds else why)


OUTCOMES_HEAD = ("mu alive", "log_var alive", "ours", "−ELBO", "the author's graph", "−ELBO", "2016's run")


def outcomes(runs: Runs) -> list[tuple[str, ...]]:
    """The first VAE's outcomes, grouped by the heads that are alive.

    Returns:
        Rows under `OUTCOMES_HEAD`: the number of runs and their −ELBO, for our runs and those of the author's graph.
    """
    ours, theirs = runs["vae_first"], runs.graphs.get("first", [])
    rows = []
    for heads in sorted({heads_alive(run) for run in [*ours, *theirs]}, key=lambda heads: (-heads[0], heads[1])):
        cells = []
        for all_ in (ours, theirs):
            bounds = [float(run.results["negative_elbo"]) for run in all_ if heads_alive(run) == heads]
            cells += [f"{len(bounds)} of {len(all_)}", mean_sd(bounds, ".1f") if bounds else ""]
        rows.append((*map(str, heads), *cells, f"{VAE['first']['negative_elbo']}" if heads == HEADS_OF_2016 else ""))
    return rows


def first_form(runs: Runs) -> Judgement:
    """Compare the first VAE's −ELBO with 2016's, over the runs with as many heads alive as in 2016."""
    first, theirs = runs["vae_first"], runs.graphs.get("first", [])
    like, graph = ([run for run in of if heads_alive(run) == HEADS_OF_2016] for of in (first, theirs))
    all_ = numbers(first, "negative_elbo")
    spread = f"{len(like)} of {len(first)} runs have as many heads alive as in 2016; all: {min(all_):.1f} to {max(all_):.1f}"
    if theirs:
        spread += f". Outcomes as frequent as with the author's graph? p = {same_outcomes(first, theirs):.2g}"
    if not like:  # if 2016's run were one of n + 1 alike, the chance that it alone has its outcome would be at most 1 / (n + 1)
        verdict = DIFFERS if 1 / (len(first) + 1) <= 1 - statistics.LEVEL else CANNOT
        return Judgement(mean_sd(all_, ".1f"), verdict, f"none of {len(first)} runs has as many heads alive as in 2016")
    bounds = [numbers(of, "negative_elbo") for of in (like, graph)]
    found = match_2016(Comparison(VAE["first"]["negative_elbo"], *bounds, form=".2f"), MARGINS["negative_elbo"])
    return found._replace(why=f"{spread}. {found.why}")


def same_outcomes(ours: Sequence[FinishedRun], theirs: Sequence[FinishedRun]) -> float:
    """Return the p value of Fisher's exact test that the heads which live are distributed alike."""
    counts = [Counter(map(heads_alive, runs)) for runs in (ours, theirs)]
    outcomes = sorted({*counts[0], *counts[1]})
    return statistics.same_frequencies(*([count[outcome] for outcome in outcomes] for count in counts))


def course_of_log_var(run: FinishedRun) -> str:
    """The median of log_var in the logged batch at four iterations, as text."""
    logged = event_files.logged(run.path, "encoder/log_var/activation")
    if not set(LOG_VAR_AT) <= set(logged):
        raise RunError(f"{run.path} lacks event files")
    medians = [float(curves.quantiles(logged[iteration])[len(curves.QUANTILES) // 2]) for iteration in LOG_VAR_AT]
    return f"{signed(medians)} at {', '.join(f'{iteration:,}' for iteration in LOG_VAR_AT)}"


def log_var_first(runs: Runs) -> Judgement:
    """Count the runs of the first VAE in which log_var becomes exactly zero for the whole test set."""
    first, theirs = runs["vae_first"], runs.graphs.get("first", [])
    counts = [sum(run.results["log_var_zero_fraction"] == 1.0 for run in of) for of in (first, theirs)]
    run = as_published(first)
    ours = f"in {counts[0]} of {len(first)} runs; median {course_of_log_var(run)} in the run of seed {run.seed}"
    why = f"in {counts[1]} of {len(theirs)} runs of the author's graph" if theirs else ""
    if not counts[0] and len(first) < statistics.FEWEST:
        return Judgement(ours, CANNOT, why)
    return judged(counts[0] > 0, ours, why)


def log_var_fixed(runs: Runs) -> Judgement:
    """Compare the fixed VAE's mean log_var on the test set with 2016's."""
    means = np.array([sorted(run.results["log_var_mean"]) for run in runs["vae_fixed"]])
    shown = runs["vae_fixed"][0]
    ours = f"{signed(means.mean(axis=0))} (n = {len(means)}); median {course_of_log_var(shown)}, seed {shown.seed}"
    return judged(bool(np.abs(means.mean(axis=0) - sorted(LOG_VAR_OF_2016)).max() < 0.5), ours)


def reconstruction_dominates(runs: Runs) -> Judgement:
    """Compute reconstruction / KL for three KL weights."""
    ratios = {
        weight: [run.results["reconstruction"] / run.results["kl"] for run in runs[name]]
        for weight, name in (("0.1", "vae_kl_weight_0.1"), ("1", "vae_fixed"), ("10", "vae_kl_weight_10"))
    }
    ours = ", ".join(f"{np.mean(of):.1f} at weight {weight} (n = {len(of)})" for weight, of in ratios.items())
    return judged(all(np.mean(of) >= 5 for of in ratios.values()), ours)


def kl_logged_negative(runs: Runs) -> Judgement:
    """Judge whether the KL, as the first VAE's graph logged it, starts below zero; also tell how long it stays there."""
    starts, ends = [], []
    for run in runs["vae_first"]:
        logged = event_files.scalars_logged(run.path, "KL_Divergence")
        if 0 not in logged:
            return Judgement("–", CANNOT, "the runs' event files are missing")
        starts.append(logged[0])
        ends.append(max((iteration for iteration, kl in logged.items() if kl < 0), default=0))
    ours = f"{mean_sd(starts, '.2f')} at iteration 0, below 0 up to iteration {max(ends):,} at most".replace("-", "−")
    return judged(max(starts) < -2.5, ours, "The graph's KL has 3 where 1 belongs, so it logs the true KL minus 3 nats.")


def kl_not_negative(runs: Runs) -> Judgement:
    """Find the smallest KL of an image in all logged batches."""
    smallest, count, n = np.inf, 0, 0
    for name, tag in (("vae_first", TRUE_KL), ("vae_fixed", "KL_Divergence")):
        for run in runs[name]:
            logged = event_files.logged(run.path, tag)
            n += bool(logged)
            for buckets in logged.values():
                filled = buckets[buckets[:, 2] > 0]
                smallest, count = min(smallest, float(filled[0, 0])), count + int(filled[:, 2].sum())
    if not count:
        return Judgement("–", CANNOT, "the runs' event files are missing")
    why = "The correct KL can be negative only by rounding, and our form of it cannot round below zero."
    return judged(smallest >= 0, f"at least {smallest:.2g} nats over {count:,} logged images (n = {n})", why)


def vae_is_faster(runs: Runs) -> Judgement:
    """Compare the VAE's time per iteration with the autoencoder's, round by round; the verdict is without callbacks."""
    if runs.speed is None:
        return Judgement("–", CANNOT, "no speed.json; the benchmark writes it")
    with_, bare = (np.divide(runs.speed["vae"][name], runs.speed["autoencoder"][name]) for name in CONTESTANTS)
    ours = (
        f"{np.median(bare):.2f} times the autoencoder's ({min(bare):.2f} to {max(bare):.2f} in {len(bare)} rounds); "
        f"{np.median(with_):.2f} with summaries, checkpoints and dumps"
    )
    why = "The costliest layers, from and to 784 pixels, are the same; the autoencoder writes five times as many summaries."
    return judged(float(np.median(bare)) <= 0.8, ours, why)


def logged_before_updates(run: FinishedRun) -> bool:
    """Whether a GAN's run is of our earlier code, which logged the losses before each update; 2016 logged them after it."""
    return "real_batches" not in run.config["settings"]  # a setting that is as old as the change


def gan_losses(run: FinishedRun) -> tuple[dict[int, float], dict[int, float]]:
    """Return the discriminator's and the generator's loss by iteration, as logged after each update.

    Raises:
        RunError: the event files are missing, or the losses were logged before each update.
    """
    if logged_before_updates(run):
        raise RunError("this run, made by our earlier code, logged its losses before each update; 2016 logged them after it")
    discriminator, generator = (event_files.scalars_logged(run.path, tag) for tag in ("Discriminator_loss", "Generator_loss"))
    if not (discriminator and generator):
        raise RunError("the run's event files are missing")
    return discriminator, generator


def mean_between(course: dict[int, float], start: int, stop: int) -> float:
    """Mean of the values logged at iterations in [start, stop); a RunError if there are none."""
    if not (values := [loss for iteration, loss in course.items() if start <= iteration < stop]):
        raise RunError(f"the run's event files are missing: nothing was logged at iterations {start:,} to {stop - 1:,}")
    return float(np.mean(values))


def gan_start(runs: Runs) -> Judgement:
    """Compare the losses of the first 2,000 iterations with 2016's: a spike at the start, then a level course."""
    discriminator, generator = gan_losses(runs["gan_flowers"][0])
    spike = max(loss for iteration, loss in discriminator.items() if iteration < 100)
    courses, moments = (discriminator, generator), ((100, 1_000), (1_000, 2_001))
    early, late = ([mean_between(course, *moment) for course in courses] for moment in moments)
    near = [abs(ours / before - 1) <= 0.2 for levels in (early, late) for ours, before in zip(levels, GAN_LEVELS, strict=True)]
    ours = f"D up to {spike:.1f}, then {early[0]:.2f} and {late[0]:.2f}; G {early[1]:.1f} and {late[1]:.1f} (n = 1)"
    return judged(all(near) and spike > 3, ours, "Ours: flowers; the post's plots: faces.")


def gan_course(runs: Runs) -> Judgement:
    """Compare both losses early and late in training, in each run."""
    means = np.array([early_and_late(run) for run in runs["gan"]])
    (early, late), (from_, to) = means.mean(axis=0)
    holds = (means[:, 0, 1] < means[:, 0, 0]).all() and (means[:, 1, 1] > means[:, 1, 0]).all()
    ours = f"D {early:.2f} in the first 5,000, {late:.2f} at the end; G {from_:.1f}, {to:.1f} (n = {len(means)})"
    why = "28×28 digits here, 64×64 faces in 2016."
    with suppress(LookupError, RunError):
        (early, late), (from_, to) = early_and_late(runs["gan_flowers"][0])
        why += f" On flowers at 64×64: D {early:.2f}, at the end {late:.2f}; G {from_:.1f}, {to:.1f} (n = 1)."
    return judged(bool(holds), ours, why)


def early_and_late(run: FinishedRun) -> list[list[float]]:
    """Return each loss of a GAN's run, averaged over the first 5,000 and the last 1,000 iterations."""
    courses = gan_losses(run)
    end = max(courses[0]) + 1
    return [[mean_between(course, *moment) for moment in ((0, 5_000), (end - 1_000, end))] for course in courses]
