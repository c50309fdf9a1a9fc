"""Tests what the author's notes say makes a GAN work: each claim as an experiment on MNIST, with a table and a figure.

`python -m unsupervised_learning.reproduce.gan_notes` trains the 28×28 DCGAN as the recipe has it and with one thing changed at
a time, each run by its own train_gan.py. Type it again to go on: what is finished stays, what was stopped goes on.
"""

import dataclasses
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from absl import flags
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from unsupervised_learning import atomic_files, errors
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation.gan_diagnostics import NEAR_ZERO, NEAR_ZERO_PATIENCE
from unsupervised_learning.evaluation.sample_quality import frechet
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import outputs, summaries
from unsupervised_learning.training import command_line, run_directory

FLAGS = flags.FLAGS
SCRIPT = Path(__file__).parents[2] / "train_gan.py"
ITERATIONS, SEEDS = 550, 3  # our choice: 30 runs in about two hours on two cores
QUICK = {"iterations": 60, "seeds": 1, "logs_dir": "logs/gan_notes_quick"}
# A run's name → the flags in which it differs from the recipe: one, but for the start that the author took for Xavier's.
SETTINGS = {
    "baseline": "",
    "xavier": "--initializer=xavier",
    "as_committed": "--init_stddev=0.1 --init_bias=0.1",
    "stddev_0.2": "--init_stddev=0.2",
    "bn_decay_0.99": "--bn_decay=0.99",
    "bn_decay_0.5": "--bn_decay=0.5",
    "no_feature_matching": "--feature_matching=0",
    "only_feature_matching": "--feature_matching=only",
    "one_generator_step": "--generator_steps=1",
    "half_discriminator": "--discriminator_width=0.7",
}
SAMPLES, SAMPLE_BATCH, SHOWN = 2_000, 100, 12  # our choice, as are the neighbours, components, LAST and EARLY
COMPONENTS, NEIGHBOURS = 64, 5
COLUMNS = ("frechet", "frechet_batch_statistics", "coverage", "discriminator_loss", "near_zero_share")
LAST = 100  # iterations that "at the end" means
EARLY = 1 / 4  # of the iterations
EQUILIBRIUM = 2 * math.log(2)
RULES = """\
The rules, stated before the runs. A claim *holds* if the setting that the notes favour has the lower Fréchet distance with
every seed, *the opposite holds* if it has the higher one with every seed; else the claim is *undecided at this size*. By
chance alone three seeds of three agree in one case of four. A run whose losses cease to be finite counts as infinitely far.
The sign of failure: over all runs (not those of `bn_decay`, whose losses are the baseline's), Spearman's rank correlation
between the discriminator's mean loss in the first quarter and the Fréchet distance at the end; it holds at −0.5 or below, the
opposite at 0.5 or above. Runs of one setting are alike, so that this is less evidence than as many independent runs."""
NOT_TESTED = """\
not tested at this size: it is about photographs at 64×64, where a run takes hours; and a narrower set of images is also smaller
and varies less, so that distances from it are not on the scale of these"""


class Claim(NamedTuple):
    """What the notes say, the setting that they favour, and the one that it is compared with."""

    text: str
    favoured: str
    other: str


CLAIMS = (
    Claim("Small initial weights: stddev 0.02, not Xavier", "baseline", "xavier"),
    # The author's "xavier did not work": in every commit before the one that did, `weight_variable` drew with 0.1.
    Claim("Small initial weights: stddev 0.02, not Xavier as committed: weights 0.1, biases 0.1", "baseline", "as_committed"),
    Claim("Small initial weights: stddev 0.02, not 0.2", "baseline", "stddev_0.2"),
    Claim("Batch normalization's decay 0.9, not 0.99", "baseline", "bn_decay_0.99"),
    Claim("Batch normalization's decay 0.9, not 0.5", "baseline", "bn_decay_0.5"),
    Claim(
        "Equal depth, and about half the weights in one network (here: in the discriminator)", "half_discriminator", "baseline"
    ),
    Claim("Feature matching added to the adversarial loss, not left out", "baseline", "no_feature_matching"),
    Claim("Feature matching added to the adversarial loss, not instead of it", "baseline", "only_feature_matching"),
    Claim(
        "Two updates of the generator in an iteration, not one (in the code, not in the notes)",
        "baseline",
        "one_generator_step",
    ),
)


@dataclasses.dataclass
class Result:
    """What came of a run: its numbers by name, or how it failed.

    `course` is [n, 2]: an iteration, and the discriminator's loss before it, nats. `samples` is [12, 784], in [0, 1].
    """

    setting: str
    seed: int
    command: str
    failure: str = ""
    numbers: dict[str, Any] = dataclasses.field(default_factory=dict)
    course: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 2)))
    samples: np.ndarray | None = None

    @property
    def score(self) -> float:
        """The Fréchet distance; infinite if the run diverged, NaN if it failed otherwise."""
        if self.failure:
            return math.inf if "not finite" in self.failure else math.nan
        return self.numbers["frechet"]


# Measures


def coverage(labels: np.ndarray) -> float:
    """Entropy of the labels' shares, of its greatest, ln 10: 1 if the ten digits are equally frequent, 0 if there is one."""
    shares = np.bincount(labels, minlength=10) / len(labels)
    return float(-np.sum(shares * np.log(np.where(shares > 0, shares, 1.0))) / math.log(10))


class Yardstick:
    """What generated images are held against, made from the training images (pixels in [0, 1]).

    Attributes:
        pca: their first 64 principal components.
        reference: codes [2,000, 64] of as many of them; fewer where half of them are fewer.
        floor: the Fréchet distance of as many others from these.
        accuracy: on the test set, of a nearest-neighbour classifier in the space of the codes.
    """

    def __init__(self, dataset: mnist.Dataset):
        images = mnist.to_unit_interval(dataset.train.images)
        self.pca = PCA(min(COMPONENTS, len(images)), svd_solver="covariance_eigh").fit(images)
        codes = self.pca.transform(images)
        order = np.random.default_rng(0).permutation(len(codes))
        count = min(SAMPLES, len(codes) // 2)
        self.reference = codes[order[:count]]
        self.floor = frechet(codes[order[count : 2 * count]], self.reference)
        self.classifier = KNeighborsClassifier(min(NEIGHBOURS, len(codes))).fit(codes, dataset.train.labels)
        test_codes = self.pca.transform(mnist.to_unit_interval(dataset.test.images))
        self.accuracy = float(self.classifier.score(test_codes, dataset.test.labels))

    def measure(self, samples: np.ndarray, batch_samples: np.ndarray) -> dict[str, float]:
        """Of samples [n, 784] made with the moving statistics, and of the same made with the batch's."""
        codes = self.pca.transform(samples)
        return {
            "frechet": frechet(codes, self.reference),
            "frechet_batch_statistics": frechet(self.pca.transform(batch_samples), self.reference),
            "coverage": coverage(self.classifier.predict(codes)),
        }


def sample(model: DCGAN, batch_statistics: bool = False) -> np.ndarray:
    """Images [2,000, 784] in [0, 1] from z that is always the same, by the moving statistics or by those of batches of 100."""
    latents = np.random.default_rng(0).uniform(-1, 1, (SAMPLES, model.z_dim)).astype(np.float32)
    with model.statistics_left_alone():
        batches = [
            model.as_pictures(model.generator(latents[i : i + SAMPLE_BATCH], training=batch_statistics))
            for i in range(0, SAMPLES, SAMPLE_BATCH)
        ]
    return np.concatenate(batches).reshape(SAMPLES, -1)


def course_measures(course: np.ndarray, iterations: int) -> dict[str, Any]:
    """What the course [n, 2] of the discriminator's loss in so many iterations comes to; nothing if there is none.

    `near_zero_from` is the first iteration from which on it was near zero for 100 iterations, if there is one.
    """
    course = course[np.isfinite(course[:, 1])]
    if not len(course):
        return {}
    step, loss = course.T
    near, patience = loss < NEAR_ZERO, NEAR_ZERO_PATIENCE
    stays = [i for i in step if i + patience <= step[-1] and near[(step >= i) & (step <= i + patience)].all()]
    return {
        "discriminator_loss": float(loss[step > step[-1] - LAST].mean()),
        "early_discriminator_loss": float(loss[step <= iterations * EARLY].mean()),
        "near_zero_share": float(near.mean()),
        **({"near_zero_from": int(stays[0])} if stays else {}),
    }


# Verdicts


def verdict(favoured: Sequence[float], other: Sequence[float]) -> str:
    """Whether a claim holds, by the Fréchet distances of its two settings, seed by seed."""
    if not favoured or len(favoured) != len(other) or any(math.isnan(score) for score in (*favoured, *other)):
        return "not decided: not all of its runs are there"
    wins = sum(a < b for a, b in zip(favoured, other, strict=True))
    losses = sum(a > b for a, b in zip(favoured, other, strict=True))
    n = len(favoured)
    said = "holds" if wins == n else "the opposite holds" if losses == n else "undecided at this size"
    return f"{said} ({wins} of {n})"


def sign_of_failure(results: list[Result]) -> tuple[str, list[Result]]:
    """Whether a low loss of the discriminator early goes with bad images at the end, and the runs that say so."""
    used = [run for run in results if not (run.setting.startswith("bn_decay") or math.isnan(run.score)) and run.numbers]
    early, scores = [run.numbers["early_discriminator_loss"] for run in used], [run.score for run in used]
    if len(used) < 5 or len(set(early)) == 1 or len(set(scores)) == 1:
        return "not decided: fewer than 5 runs, or all alike", used
    rho = float(spearmanr(early, scores)[0])
    said = "holds" if rho <= -0.5 else "the opposite holds" if rho >= 0.5 else "undecided at this size"
    return f"{said} (rank correlation {rho:.2f}, n = {len(used)})", used


def judge(results: list[Result], preliminary: bool) -> list[tuple[str, str, str]]:
    """Claim, comparison and verdict of each claim."""
    runs = defaultdict(list)
    for result in results:
        runs[result.setting].append(result.score)
    rows = [(c.text, f"`{c.favoured}` < `{c.other}`", verdict(runs[c.favoured], runs[c.other])) for c in CLAIMS]
    rows.append(("A discriminator's loss near zero early is the sign of failure", "over all runs", sign_of_failure(results)[0]))
    if preliminary:
        rows = [(claim, compared, f"{said}; not meant seriously at this small size") for claim, compared, said in rows]
    return [*rows, ("A homogeneous data set", "–", NOT_TESTED.replace("\n", " "))]


# Report and figure


def mean_sd(values: Sequence[float | None], digits: int = 2) -> str:
    """Mean ± standard deviation of those that are there; a dash for none."""
    there = [value for value in values if value is not None]
    spread = f" ± {np.std(there, ddof=1):.{digits}f}" if len(there) > 1 else ""
    return f"{np.mean(there):.{digits}f}{spread}" if there else "–"


def by_setting(results: list[Result]) -> dict[str, list[Result]]:
    """The results of each setting, in the order of `SETTINGS`."""
    return {name: runs for name in SETTINGS if (runs := [result for result in results if result.setting == name])}


def report(results: list[Result], claims: list[tuple[str, str, str]], facts: dict[str, Any]) -> str:
    """The experiment as Markdown."""
    lines = [
        "# What makes the difference? The notes' claims, tested",
        f"28×28 DCGAN on {facts['data']}, {facts['iterations']:,} iterations of {facts['batch_size']} images, seeds 0 to "
        f"{facts['seeds'] - 1}. *Fréchet*: squared distance between Gaussians fitted to {SAMPLES:,} samples and to "
        f"{facts['reference']:,} training images, in the space of the training images' first {facts['components']} principal "
        "components. It is of pixels, not the published FID; as many other training images are at "
        f"{facts['frechet_of_real_images']:.3f}. *Coverage*: entropy of the samples' digits over ln 10, by "
        f"{NEIGHBOURS} nearest neighbours (right for {facts['classifier_accuracy']:.1%} of the test set). *D loss*: of the "
        f"discriminator, mean over the last {LAST} iterations; equilibrium is {EQUILIBRIUM:.3f}. *Near zero*: share of the "
        f"iterations, of every tenth, with D loss below {NEAR_ZERO}; *from*: since when it stayed there for "
        f"{NEAR_ZERO_PATIENCE} iterations, by seed. Samples are made with the moving "
        "statistics, but for the second Fréchet distance. Mean ± standard deviation over n seeds.",
        RULES,
        "![Courses and samples](figure.png)",
        "| claim | compared by Fréchet distance | verdict |\n|---|---|---|\n"
        + "\n".join(f"| {' | '.join(c)} |" for c in claims),
    ]
    rows = ["| setting | n | Fréchet | Fréchet, batch statistics | coverage | D loss | near zero | from |", "|" + "---|" * 8]
    for name, runs in by_setting(results).items():
        cells = [mean_sd([run.numbers.get(column) for run in runs]) for column in COLUMNS]
        since = ", ".join(str(run.numbers.get("near_zero_from", "–")) for run in runs)
        rows.append(f"| `{name}` | {sum(not run.failure for run in runs)} | {' | '.join(cells)} | {since} |")
    lines += ["\n".join(rows), *same_losses(results)]
    lines += [f"**Failed:** `{run.setting}`, seed {run.seed}: {run.failure}" for run in results if run.failure]
    commands = "\n".join(runs[0].command for runs in by_setting(results).values())
    lines.append(f"The commands (each also with the other seeds, in their own folders):\n\n```bash\n{commands}\n```")
    return "\n\n".join(lines) + "\n"


def same_losses(results: list[Result]) -> list[str]:
    """Whether runs that differ in the moving statistics' decay have the baseline's losses, as they should."""
    baseline = {run.seed: run.course for run in results if run.setting == "baseline"}
    pairs = [(run.course, baseline[run.seed]) for run in results if run.setting.startswith("bn_decay") and run.seed in baseline]
    same = sum(np.array_equal(course, other, equal_nan=True) for course, other in pairs)
    note = (
        "The decay of the moving statistics does not enter training, which normalizes by each batch's own: the losses of "
        f"`bn_decay` equal the baseline's to the last bit in {same} of {len(pairs)} runs. It decides only how well the moving "
        "statistics fit when images are made with them."
    )
    return [note] if pairs else []


def draw(results: list[Result]) -> Figure:
    """A row for each setting: the discriminator's loss beside the first seed's samples; below, early loss against distance."""
    settings = by_setting(results)
    colors = {name: f"C{i}" for i, name in enumerate(SETTINGS)}
    rows = len(settings)
    figure = Figure(figsize=(11, 1.1 * rows + 3.6), dpi=120, layout="constrained")
    grid = figure.add_gridspec(rows + 1, 2, height_ratios=[1.1] * rows + [3.2], width_ratios=[1, 2.6])
    finite = np.concatenate([[EQUILIBRIUM], *(run.course[np.isfinite(run.course[:, 1]), 1] for run in results)])
    top = max(2.0, 1.1 * float(np.percentile(finite, 99)))  # a spike or two may leave the panels
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
        text = mean_sd([run.numbers.get("frechet") for run in runs])
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
    scatter.set_title(f"Is a D loss near zero early the sign of failure? {said}", loc="left", fontsize=10, weight="bold")
    scatter.spines[["top", "right"]].set_visible(False)
    if scatter.lines:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


# The runs


def is_finished(folder: Path, command: str, iterations: int) -> bool:
    """Whether the folder holds that very command's run, to its end."""
    try:
        results, config = json.loads((folder / "results.json").read_text()), run_directory.recorded(folder)
        return results["iterations"] == iterations and config.get("command") == command
    except run_directory.UNREADABLE:
        return False


def train(arguments: list[str], log: Path) -> int:
    """Run Python with these arguments, output to the end of `log`; returns the exit status.

    Ctrl-C goes to this process alone, which lets the run save and waits for it.
    """
    with (
        log.open("a") as file,
        subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},  # so that the last line is the error's
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()  # SIGTERM: what a shell starts in the background ignores SIGINT
            process.wait()
            raise


def trained_gan(folder: Path) -> DCGAN:
    """The model that a run has left.

    Raises:
        RunError: if its file is damaged, or of something else.
    """
    path = folder / "model.keras"
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)  # which runs no code that is in the file
    except Exception as error:  # whatever Keras, zipfile and h5py throw at such a file
        raise RunError(f"{path} cannot be loaded: {errors.reason(error)}") from None
    if not isinstance(model, DCGAN):
        raise RunError(f"{path} cannot be loaded: it is a {type(model).__name__}; expected a DCGAN")
    return model


def do(setting: str, seed: int, logs_dir: Path, data_flags: list[str], yardstick: Yardstick) -> Result:
    """Train one run, unless it is finished, and measure it."""
    folder, iterations = logs_dir / f"{setting}_seed{seed}", FLAGS.iterations
    arguments = [os.path.relpath(SCRIPT), *data_flags, f"--batch_size={FLAGS.batch_size}", f"--seed={seed}"]
    arguments += [f"--max_iterations={iterations}", f"--logs_dir={folder}", *SETTINGS[setting].split()]
    result = Result(setting, seed, shlex.join(["python", *arguments]))
    if not is_finished(folder, result.command, iterations):
        log = folder.with_name(f"{folder.name}.txt")
        if status := train(arguments, log):
            last = (log.read_text().strip().splitlines() or ["it printed nothing"])[-1]
            result.failure = f"exit status {status}: {last}"
    loss = summaries.scalars_logged(folder, "Discriminator_loss")
    result.course = np.array(list(loss.items()), np.float64).reshape(-1, 2)
    result.numbers = course_measures(result.course, iterations)
    if result.failure:
        return result
    done = json.loads((folder / "results.json").read_text())["iterations"]
    if done != iterations:
        result.failure = f"it has {done:,} iterations already, which are more than {iterations:,}"
        return result
    try:
        model = trained_gan(folder)
    except RunError as error:
        result.failure = str(error)
        return result
    samples, batch_samples = sample(model), sample(model, batch_statistics=True)
    if not (np.isfinite(samples).all() and np.isfinite(batch_samples).all()):
        result.failure = "its samples are not finite"
        return result
    result.samples = samples[:SHOWN]
    result.numbers |= yardstick.measure(samples, batch_samples)
    return result


def main() -> int:
    """Do all runs, then judge; returns the exit status."""
    for name, value in QUICK.items() if FLAGS.quick else ():
        FLAGS.set_default(name, value)
    logs_dir = run_directory.usable_logs_dir()
    if not SCRIPT.exists():
        raise RunError(f"needs the project's folder, with train_gan.py. Received: {SCRIPT.parent}, without it")
    dataset = mnist.load(FLAGS.dataset, FLAGS.data_dir)
    BatchOrder(len(dataset.train.images), FLAGS.batch_size, seed=0)  # refuses a batch that is larger than the data
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)  # as Ctrl-C
    plan = [(setting, seed) for seed in range(FLAGS.seeds) for setting in SETTINGS if setting in (FLAGS.only or SETTINGS)]
    data_flags = [f"--dataset={dataset.name}", *([f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else [])]
    try:
        with run_directory.lock(logs_dir):
            yardstick = Yardstick(dataset)
            results = []
            for i, (setting, seed) in enumerate(plan, start=1):
                print(f"{i}/{len(plan)} {setting}, seed {seed}: … ", end="", flush=True)
                before = time.monotonic()
                results.append(do(setting, seed, logs_dir, data_flags, yardstick))
                minutes, outcome = (time.monotonic() - before) / 60, results[-1]
                said = f"failed: {outcome.failure}" if outcome.failure else f"Fréchet {outcome.score:.2f}, done"
                print(f"{said} in {minutes:.1f} min", flush=True)
            write(logs_dir, results, dataset, yardstick)
    except KeyboardInterrupt:
        again = shlex.join(["python", "-m", "unsupervised_learning.reproduce.gan_notes", *sys.argv[1:]])
        print(f"\nStopped; what was saved holds. To go on, type the same again: {again}", file=sys.stderr)
        return command_line.KILLED + signal.SIGINT
    print(f"report.md, figure.png and results.json are in {logs_dir}")
    return 0


def write(logs_dir: Path, results: list[Result], dataset: mnist.Dataset, yardstick: Yardstick) -> None:
    """Write report.md, figure.png and results.json."""
    facts = {
        "data": f"{dataset.name} ({dataset.source})",
        **{name: FLAGS[name].value for name in ("iterations", "batch_size", "seeds")},
        "reference": len(yardstick.reference),
        "components": int(yardstick.pca.n_components_),
        "frechet_of_real_images": yardstick.floor,
        "classifier_accuracy": yardstick.accuracy,
    }
    claims = judge(results, preliminary=FLAGS.quick or FLAGS.seeds < SEEDS or FLAGS.iterations < ITERATIONS)
    told_of_runs = ("setting", "seed", "command", "failure")
    runs = [{name: getattr(run, name) for name in told_of_runs} | run.numbers for run in results]
    told = [dict(zip(("claim", "compared", "verdict"), claim, strict=True)) for claim in claims]
    atomic_files.write_json(logs_dir / "results.json", {**facts, "claims": told, "runs": runs})
    outputs.write_figure(logs_dir / "figure.png", draw(results))
    atomic_files.write_atomically(logs_dir / "report.md", report(results, claims, facts))


def define_flags() -> None:
    """Define the flags."""
    flags.DEFINE_string("logs_dir", "logs/gan_notes", "Where runs, report.md, figure.png and results.json go.")
    flags.DEFINE_string(
        "data_dir", None, "Folder with MNIST's four original files, or with sets prepared by tensorflow-datasets."
    )
    flags.DEFINE_enum("dataset", "auto", list(mnist.DATASETS), "What to train on.")
    flags.DEFINE_integer("iterations", ITERATIONS, "Iterations of each run.", 1, 2**31 - 1)
    flags.DEFINE_integer("seeds", SEEDS, "Runs of each setting, with the seeds 0, 1, ….", 1, 1_000)
    flags.DEFINE_integer("batch_size", 64, "Images in a batch.", 1)
    flags.DEFINE_bool("quick", False, "A look: 60 iterations, one seed, in logs/gan_notes_quick, if these are not given.")
    flags.DEFINE_list("only", [], f"Only these settings, of: {', '.join(SETTINGS)}.")
    known = f"must be some of {', '.join(SETTINGS)}"
    flags.register_validator("only", lambda names: set(names) <= set(SETTINGS), known)
    command_line.require_path("logs_dir")


if __name__ == "__main__":
    define_flags()
    command_line.launch(main)
