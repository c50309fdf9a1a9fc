"""Every claim of the post: what 2016 said or showed, what our runs make of it, and whether that is the same.

2016's numbers are kept here with their source. They were measured on the author's own artefacts: the autoencoder's runs 1, 2, 4
and 5 in the repository shekkizh/TensorflowProjects at 5bd5563, folder "logs/MNIST_logs"; run 3, the VAEs and the GAN in
shekkizh/neuralnetworks.thought-experiments at 961734b, folder "Generative Models".
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from unsupervised_learning import errors
from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import representation
from unsupervised_learning.figures import curves
from unsupervised_learning.monitoring import summaries
from unsupervised_learning.monitoring.outputs import RESULTS_OF_2016
from unsupervised_learning.reproduce.experiments import CONTESTANTS, EXPERIMENTS, HEADS_OF_2016, Runs, as_published, heads_alive
from unsupervised_learning.training import run_directory
from unsupervised_learning.training.finished_run import FinishedRun

AE, VAE = RESULTS_OF_2016["autoencoder"], {form: RESULTS_OF_2016[f"vae_{form}"] for form in ("first", "fixed")}
KNN_BY_ITERATION = {0: 0.290, 1_000: 0.515, 10_000: 0.807, 20_000: 0.809}  # run 3's dumps, the post's figure
CLUSTERS_OF_2016 = 0.546  # NMI of k-means on run 5's dump at 20,000, by `representation.clustering`
LOG_VAR_OF_2016 = (-6.0, -5.5, -5.5)  # fixed form, at the end; in the first all are 0
RUN1_LOSS = {"Loss": 0.0205}  # event file of run 1, mean from iteration 9,000 to its end at 10,000
RUN2_LOSS = {"Encoder_loss": 5.233, "Loss": 6.052}  # event file of run 2, mean from iteration 10,000 to its end before 12,000
RUN4_L2 = 4.505  # test L2 of run 4's checkpoint 20,000, replayed
GAN_LEVELS = (1.4, 5.0)  # the discriminator's loss and the generator's up to iteration 2,000, read off the plots of the faces
LOG_VAR_AT = (0, 1_000, 10_000, 100_000)
CLOSE = 0.01  # our choice: a share by which a mean may differ from 2016's one run and still be called reproduced


class Finding(NamedTuple):
    """What came of a claim: our numbers, the verdict, and what there is to say of it."""

    ours: str
    verdict: str
    why: str = ""


class Claim(NamedTuple):
    """What the post says or shows.

    Attributes:
        text: in our words.
        original: 2016's number.
        expected: the outcome that would reproduce it.
        how: it is measured.
        experiments: names of those whose runs it asks for.
        judge: runs → what came out; called only where each of the experiments has a run.
        measurement: what to type for what it asks for beside runs.
    """

    text: str
    original: str
    expected: str
    how: str
    experiments: tuple[str, ...]
    judge: Callable[[Runs], Finding]
    measurement: str = ""

    @property
    def command(self) -> str:
        """What to type for all that it asks for."""
        commands = [EXPERIMENTS[name].command(name) for name in self.experiments]
        if (seeds := max((EXPERIMENTS[name].seeds for name in self.experiments), default=1)) > 1:
            commands[-1] += f"; and with the seeds to {seeds - 1}"
        return "; ".join([*commands, self.measurement] if self.measurement else commands)

    def find(self, runs: Runs) -> Finding:
        """What comes out of these runs."""
        missing = [name for name in self.experiments if not runs.get(name)]
        if missing:
            return Finding("–", CANNOT, f"no finished run of {', '.join(missing)}")
        try:
            return self.judge(runs)
        except RunError as error:
            return Finding("–", CANNOT, str(error))
        except run_directory.UNREADABLE as error:  # of another version, or damaged
            return Finding("–", CANNOT, f"a record is not what it should be ({errors.reason(error)})")


REPRODUCED, DIFFERS, CANNOT = "reproduced", "differs", "cannot be tested"


def mean_sd(values: Sequence[float], form: str = ".3f") -> str:
    """Mean ± standard deviation (n)."""
    spread = f" ± {np.std(values, ddof=1):{form}}" if len(values) > 1 else ""
    return f"{np.mean(values):{form}}{spread} (n = {len(values)})"


def signed(values: Sequence[float]) -> str:
    """Numbers, with a true minus."""
    return ", ".join(f"{value:.1f}" for value in values).replace("-", "−")


def judged(holds: bool, ours: str, why: str = "") -> Finding:
    """A finding that is one way or the other."""
    return Finding(ours, REPRODUCED if holds else DIFFERS, why)


def beside(values: Sequence[float], before: float, form: str = ".3f", why: str = "") -> Finding:
    """Whether 2016's one number is that of our runs: within two standard deviations of their mean, or within 1 % of it."""
    mean = float(np.mean(values))
    share, deviation = abs(mean / before - 1), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    distance = f", {abs(mean - before) / deviation:.1f} standard deviations" if deviation else ""
    said = f"{share:.1%} from 2016's{distance}"
    holds = abs(mean - before) <= 2 * deviation or share <= CLOSE
    return judged(holds, mean_sd(values, form), f"{said}. {why}" if why and not holds else said)


def numbers(runs: Sequence[FinishedRun], name: str) -> list[float]:
    """A number of results.json, of each run."""
    return [float(run.results[name]) for run in runs]


def longer_is_better(runs: Runs) -> Finding:
    """KNN accuracy of the dumps at four iterations."""
    courses = []
    for run in runs["autoencoder"]:
        dumps = [run.dump(iteration) for iteration in KNN_BY_ITERATION]
        if any(dump is None for dump in dumps):
            return Finding("–", CANNOT, f"{run.path} lacks a checkpoint<step>.txt")
        courses.append([representation.knn_accuracy(*dump) for dump in dumps if dump])
    means = np.mean(courses, axis=0)
    ours = ", ".join(f"{mean:.3f}" for mean in means) + f" (n = {len(courses)})"
    return judged(bool(means[0] < means[1] < means[2] < means[3] + 0.01), ours)


def clusters(runs: Runs) -> Finding:
    """K-means on the last dumps."""
    dumps = [run.dump(20_000) for run in runs["autoencoder"]]
    found = [representation.clustering(*dump)["nmi"] for dump in dumps if dump]
    if None in found or len(found) < len(dumps):
        return Finding("–", CANNOT, "a run lacks checkpoint20000.txt")
    return beside([value for value in found if value is not None], CLUSTERS_OF_2016)


def logged_losses(of: Sequence[FinishedRun], before: dict[str, float], start: int, stop: int) -> Finding:
    """Losses logged from iteration `start` to before `stop`, means over these and the runs, beside 2016's by tag."""
    means: dict[str, list[float]] = {tag: [] for tag in before}
    for run in of:
        for tag, of_runs in means.items():
            logged = [loss for iteration, loss in summaries.scalars_logged(run.path, tag).items() if start <= iteration < stop]
            if not logged:
                return Finding("–", CANNOT, "the run's event files are gone")
            of_runs.append(float(np.mean(logged)))
    farthest = max(abs(float(np.mean(of_runs)) / before[tag] - 1) for tag, of_runs in means.items())
    ours = ", ".join(mean_sd(of_runs, ".3g") for of_runs in means.values())
    return judged(farthest <= CLOSE, ours, f"up to {farthest:.1%} from 2016's")


def beats_pca(runs: Runs) -> Finding:
    """Mean squared errors."""
    ours, pca = numbers(runs["autoencoder"], "test_mse"), [float(run.results["pca"]["test_mse"]) for run in runs["autoencoder"]]
    return judged(max(ours) < min(pca), f"{mean_sd(ours, '.4f')}, PCA {np.mean(pca):.4f}")


def linear_is_pca(runs: Runs) -> Finding:
    """A linear autoencoder's error and subspace beside PCA's."""
    run = runs["autoencoder_linear"][0]
    mse, pca, cosine = run.results["test_mse"], run.results["pca"]["test_mse"], run.results["pca_subspace_cosine"]
    ours = f"{mse:.4f}, PCA {pca:.4f}; cosine of the largest angle {cosine:.4f}"
    return judged(mse / pca - 1 < CLOSE and cosine > 0.99, ours)


def sparse(runs: Runs) -> Finding:
    """Sparsity and accuracy with and without the penalty."""
    with_, without = runs["autoencoder_sparse"][0].results, runs["autoencoder_wide"][0].results
    ours = ", ".join(
        f"{name} {run['code_sparsity']:.3f} and kNN {run['knn_accuracy']:.3f}"
        for name, run in (("with", with_), ("without", without))
    )
    return judged(with_["code_sparsity"] > without["code_sparsity"] + 0.1 and with_["knn_accuracy"] > 0.8, ours)


OUTCOMES_HEAD = ("mu alive", "log_var alive", "ours", "−ELBO", "the author's graph", "−ELBO", "2016's run")


def outcomes(runs: Runs) -> list[tuple[str, ...]]:
    """The first VAE's outcomes by the heads that live: how many runs, ours and the author's graph's, end so, and their bounds.

    Returns:
        Rows under `OUTCOMES_HEAD`; none where there is no run.
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


def first_form(runs: Runs) -> Finding:
    """Its bound in the runs in which the published run's heads live, and how many these are."""
    first = runs["vae_first"]
    like = [run for run in first if heads_alive(run) == HEADS_OF_2016]
    all_ = numbers(first, "negative_elbo")
    spread = f"{len(like)} of {len(first)} runs end so; all: {min(all_):.1f} to {max(all_):.1f}"
    if not like:
        return Finding(f"{mean_sd(all_, '.1f')}", DIFFERS, f"no run of {len(first)} keeps the published run's heads")
    found = beside(numbers(like, "negative_elbo"), VAE["first"]["negative_elbo"], ".2f")
    return Finding(found.ours, found.verdict, f"{spread}. {found.why}")


def course_of_log_var(run: FinishedRun) -> str:
    """The medians of log_var in the batches logged at four iterations."""
    logged = summaries.logged(run.path, "encoder/log_var/activation")
    if not set(LOG_VAR_AT) <= set(logged):
        raise RunError(f"{run.path} has no event files, or not all")
    medians = [float(curves.quantiles(logged[iteration])[len(curves.QUANTILES) // 2]) for iteration in LOG_VAR_AT]
    return f"{signed(medians)} at {', '.join(f'{iteration:,}' for iteration in LOG_VAR_AT)}"


def log_var_first(runs: Runs) -> Finding:
    """Its course in training, and the share of exact zeros on the test set."""
    run = as_published(runs["vae_first"])
    zeros = run.results["log_var_zero_fraction"]
    dead = sum(heads_alive(one)[1] == 0 for one in runs["vae_first"])
    ours = f"median {course_of_log_var(run)}; zero for {zeros:.0%} of the test set (seed {run.seed})"
    return judged(zeros == 1.0, ours, f"all log_var die in {dead} of {len(runs['vae_first'])} runs")


def log_var_fixed(runs: Runs) -> Finding:
    """Its course in training, and its means on the test set."""
    means = np.array([sorted(run.results["log_var_mean"]) for run in runs["vae_fixed"]])
    ours = f"{signed(means.mean(axis=0))} (n = {len(means)}); median {course_of_log_var(runs['vae_fixed'][0])}, seed 0"
    return judged(bool(np.abs(means.mean(axis=0) - sorted(LOG_VAR_OF_2016)).max() < 0.5), ours)


def reconstruction_dominates(runs: Runs) -> Finding:
    """Reconstruction by KL for three weights of the KL."""
    ratios = {
        weight: float(np.mean([run.results["reconstruction"] / run.results["kl"] for run in runs[name]]))
        for weight, name in (("0.1", "vae_kl_weight_0.1"), ("1", "vae_fixed"), ("10", "vae_kl_weight_10"))
    }
    ours = ", ".join(f"{ratio:.1f} at weight {weight}" for weight, ratio in ratios.items())
    return judged(min(ratios.values()) >= 5, ours)


def kl_logged_negative(runs: Runs) -> Finding:
    """The KL as the first VAE's graph logged it, at the start, and how long it stays below zero."""
    starts, ends = [], []
    for run in runs["vae_first"]:
        logged = summaries.scalars_logged(run.path, "KL_Divergence")
        if 0 not in logged:
            return Finding("–", CANNOT, "the runs' event files are gone")
        starts.append(logged[0])
        ends.append(max((iteration for iteration, kl in logged.items() if kl < 0), default=0))
    ours = f"{mean_sd(starts, '.2f')} at iteration 0, below 0 up to iteration {max(ends):,} at most".replace("-", "−")
    why = "The graph's KL has 3 where 1 belongs, so that it logs the KL less 3 nats."
    return judged(max(starts) < -2.5, ours, why)


def kl_not_negative(runs: Runs) -> Finding:
    """The smallest KL of an image in any batch that was logged."""
    smallest, count = np.inf, 0
    for name, tag in (("vae_first", summaries.TRUE_KL), ("vae_fixed", "KL_Divergence")):
        for run in runs[name]:
            for buckets in summaries.logged(run.path, tag).values():
                filled = buckets[buckets[:, 2] > 0]
                smallest, count = min(smallest, float(filled[0, 0])), count + int(filled[:, 2].sum())
    if not count:
        return Finding("–", CANNOT, "the runs' event files are gone")
    why = "With 1 in its place the KL cannot be negative but for rounding, and our form of it cannot round below zero."
    return judged(smallest >= 0, f"at least {smallest:.2g} nats, over {count:,} images logged", why)


def vae_is_faster(runs: Runs) -> Finding:
    """The VAE's time by the autoencoder's, side by side in each round of the benchmark; judged without callbacks."""
    if runs.speed is None:
        return Finding("–", CANNOT, "no speed.json, which the benchmark writes")
    with_, bare = (np.divide(runs.speed["vae"][name], runs.speed["autoencoder"][name]) for name in CONTESTANTS)
    ours = (
        f"{np.median(bare):.2f} of its time ({min(bare):.2f} to {max(bare):.2f} in {len(bare)} rounds); "
        f"{np.median(with_):.2f} with summaries, checkpoints and dumps"
    )
    why = "The layers that cost most, from and to 784 pixels, are the same; the autoencoder's summaries are five times as many."
    return judged(float(np.median(bare)) <= 0.8, ours, why)


def gan_losses(run: FinishedRun) -> tuple[dict[int, float], dict[int, float]]:
    """The discriminator's and the generator's loss by iteration."""
    discriminator, generator = (summaries.scalars_logged(run.path, tag) for tag in ("Discriminator_loss", "Generator_loss"))
    if not (discriminator and generator):
        raise RunError("the run's event files are gone")
    return discriminator, generator


def mean_between(course: dict[int, float], start: int, stop: int) -> float:
    """Of the values logged from iteration `start` to before `stop`."""
    return float(np.mean([loss for iteration, loss in course.items() if start <= iteration < stop]))


def gan_start(runs: Runs) -> Finding:
    """The losses' level in the first 2,000 iterations, after the spike at the start."""
    discriminator, generator = gan_losses(runs["gan_flowers"][0])
    spike = max(loss for iteration, loss in discriminator.items() if iteration < 100)
    courses, moments = (discriminator, generator), ((100, 1_000), (1_000, 2_001))
    early, late = ([mean_between(course, *moment) for course in courses] for moment in moments)
    near = [abs(ours / before - 1) <= 0.2 for levels in (early, late) for ours, before in zip(levels, GAN_LEVELS, strict=True)]
    holds = all(near) and spike > 3
    ours = f"D up to {spike:.1f}, then {early[0]:.2f} and {late[0]:.2f}; G {early[1]:.1f} and {late[1]:.1f} (n = 1)"
    return judged(holds, ours, "Flowers here; the plots that the post shows are of faces.")


def gan_course(runs: Runs) -> Finding:
    """The discriminator's loss, early and late."""
    discriminator, generator = gan_losses(runs["gan"][0])
    end = max(discriminator) + 1
    early, late = mean_between(discriminator, 0, 5_000), mean_between(discriminator, end - 1_000, end)
    rise = mean_between(generator, 0, 5_000), mean_between(generator, end - 1_000, end)
    ours = f"D {early:.2f} in the first 5,000, {late:.2f} at the end; G {rise[0]:.1f}, {rise[1]:.1f} (n = 1)"
    return judged(late < early and rise[1] > rise[0], ours, "28×28 digits here, 64×64 faces there: the direction is compared.")


CLAIMS = (
    Claim(
        "The autoencoder's code separates the digits",
        f"{AE['knn_accuracy']:.3f} (runs 3 and 4: .809)",
        "as 2016's (chance is .1, PCA .503)",
        "kNN accuracy of the test codes",
        ("autoencoder",),
        lambda runs: beside(numbers(runs["autoencoder"], "knn_accuracy"), AE["knn_accuracy"]),
    ),
    Claim(
        "It reconstructs as well as it did",
        f"{AE['test_l2']:.3f} (run 4: 4.505)",
        "as 2016's",
        "L2 of the test set, l2_loss / 784 of 256 images",
        ("autoencoder",),
        lambda runs: beside(numbers(runs["autoencoder"], "test_l2"), AE["test_l2"]),
    ),
    Claim(
        "Longer training separates them better",
        ", ".join(f"{accuracy:.3f}" for accuracy in KNN_BY_ITERATION.values()),
        "it rises up to 10,000, and at 20,000 is no more than .01 below",
        "kNN accuracy of the dumps at 0, 1,000, 10,000, 20,000",
        ("autoencoder",),
        longer_is_better,
    ),
    Claim(
        "It beats PCA with 3 components", ".0347, PCA .0516", "below PCA's", "MSE of the test set", ("autoencoder",), beats_pca
    ),
    Claim(
        "An autoencoder is similar to PCA",
        "said; .0516 is PCA's",
        "a linear one has PCA's error to 1 %, and its subspace to a cosine above .99",
        "MSE of the test set; angle between the subspaces",
        ("autoencoder_linear",),
        linear_is_pca,
    ),
    Claim(
        "Run 1's loss",
        f"{RUN1_LOSS['Loss']:.4f}",
        f"within {CLOSE:.0%} of 2016's",
        "Loss, mean of those logged from iteration 9,000 to 10,000",
        ("autoencoder_run1",),
        lambda runs: logged_losses(runs["autoencoder_run1"], RUN1_LOSS, 9_000, 10_001),
    ),
    Claim(
        "Run 2's losses",
        ", ".join(f"{loss:.2f}" for loss in RUN2_LOSS.values()),
        f"both within {CLOSE:.0%} of 2016's",
        "Encoder_loss and Loss, means of those logged from iteration 10,000 to 12,000",
        ("autoencoder_run2",),
        lambda runs: logged_losses(runs["autoencoder_run2"], RUN2_LOSS, 10_000, 12_000),
    ),
    Claim(
        "Run 4 reconstructs as it did",
        f"{RUN4_L2:.3f}",
        "as 2016's",
        "L2 of the test set, l2_loss / 784 of 256 images",
        ("autoencoder_run4",),
        lambda runs: beside(numbers(runs["autoencoder_run4"], "test_l2"), RUN4_L2),
    ),
    Claim(
        "Codes can be clustered",
        f"{CLUSTERS_OF_2016:.3f}",
        "as 2016's",
        "normalised mutual information of k-means' ten clusters and the digits",
        ("autoencoder",),
        clusters,
    ),
    Claim(
        "A sparse autoencoder's code is sparse and useful",
        "named, not tried",
        "sparsity is higher by .1 or more, and kNN above .8",
        "Hoyer's sparsity of a 32-D code and its kNN accuracy, with a penalty of 0.001 and without (0.01: .84, .685)",
        ("autoencoder_sparse", "autoencoder_wide"),
        sparse,
    ),
    Claim(
        "The first VAE (relu on mu and log_var)",
        f"{VAE['first']['negative_elbo']:.2f}; 3 mu alive, no log_var",
        "as 2016's in the runs in which as many heads are alive",
        "−ELBO of the test set, nats an image, 20 draws; a head is alive if it is not zero for every test image",
        ("vae_first",),
        first_form,
    ),
    Claim(
        "In the first VAE log_var goes to zero",
        "from up to .5 to exactly zero, for every test image",
        "it is zero for all",
        "log_var in training, and its share of zeros on the test set, in the first run with the published run's heads",
        ("vae_first",),
        log_var_first,
    ),
    Claim(
        "The fixed VAE",
        f"{VAE['fixed']['negative_elbo']:.2f}",
        "as 2016's",
        "−ELBO of the test set, nats an image, 20 draws",
        ("vae_fixed",),
        lambda runs: beside(numbers(runs["vae_fixed"], "negative_elbo"), VAE["fixed"]["negative_elbo"], ".2f"),
    ),
    Claim(
        "Its means separate the digits",
        f"{VAE['fixed']['knn_accuracy']:.3f}",
        "as 2016's",
        "kNN accuracy of mu",
        ("vae_fixed",),
        lambda runs: beside(numbers(runs["vae_fixed"], "knn_accuracy"), VAE["fixed"]["knn_accuracy"]),
    ),
    Claim(
        "In the fixed VAE log_var goes away from zero",
        signed(LOG_VAR_OF_2016),
        "each within 0.5 of 2016's",
        "mean of log_var over the test set, for each dimension in order of size",
        ("vae_fixed",),
        log_var_fixed,
    ),
    Claim(
        "The reconstruction dominates the KL",
        f"{VAE['fixed']['reconstruction'] / VAE['fixed']['kl']:.1f} at weight 1",
        "at least 5 times as large, for each weight of the KL",
        "reconstruction / KL of the test set",
        ("vae_kl_weight_0.1", "vae_fixed", "vae_kl_weight_10"),
        reconstruction_dominates,
    ),
    Claim(
        "At times the training ends up with a negative KL",
        "said; its own graph, run today, begins at −2.95",
        "below −2.5 at the start",
        "scalar KL_Divergence of the first VAE, as its graph logged it",
        ("vae_first",),
        kl_logged_negative,
    ),
    Claim(
        "The KL must not be negative",
        "asked how to enforce it",
        "never below 0",
        "histograms of the true KL in the event files",
        ("vae_first", "vae_fixed"),
        kl_not_negative,
    ),
    Claim(
        "The VAE is significantly faster than the autoencoder",
        "said",
        "an iteration takes at most 0.8 of its time",
        "seconds an iteration without callbacks, both in each round",
        (),
        vae_is_faster,
        "python -m benchmarks.training --models autoencoder vae --contestants ours 'ours, no callbacks'",
    ),
    Claim(
        "The 64×64 GAN's losses begin with a spike and then stay level",
        "D up to 7.4, then 1.4; G 5 (plots of the faces)",
        "D's is above 3 before iteration 100; after that both are within 20 % of 2016's, to 1,000 and to 2,000",
        "Discriminator_loss and Generator_loss, means of iterations 100 to 1,000 and 1,000 to 2,000",
        ("gan_flowers",),
        gan_start,
    ),
    Claim(
        "In the GAN's training D's loss falls and G's rises",
        "D 1.4 until 5,000, then .2 to .5; G 5, then 7.5 (plots of the faces, 16,800 iterations)",
        "D's is lower and G's higher at the end",
        "mean of Discriminator_loss and Generator_loss, first 5,000 and last 1,000 iterations",
        ("gan",),
        gan_course,
    ),
)
