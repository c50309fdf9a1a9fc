"""Test the author's notes on what makes a GAN work: one MNIST experiment per claim, with a table and a figure.

`python -m unsupervised_learning.reproduce gan-notes` trains the 28×28 DCGAN with the recipe's settings and with one change at
a time, starting train_gan.py for each run. Rerun it to resume: finished runs are kept and interrupted ones continue.
"""

import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unsupervised_learning import atomic_files
from unsupervised_learning.data import mnist
from unsupervised_learning.data.batches import BatchOrder
from unsupervised_learning.data.dataset import Dataset
from unsupervised_learning.errors import KILLED, RunError
from unsupervised_learning.figures import plots
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.monitoring import event_files
from unsupervised_learning.reproduce.gan_measures import Yardstick, course_measures, sample
from unsupervised_learning.reproduce.gan_report import draw, report
from unsupervised_learning.reproduce.gan_verdicts import SETTINGS, Result, judge
from unsupervised_learning.training import finished_run, nonfinite, run_directory

SCRIPT = Path(__file__).parents[2] / "train_gan.py"
ITERATIONS, SEEDS = 550, 3  # our choice: 30 runs in about two hours on two cores
QUICK = {"iterations": 60, "seeds": 1, "logs_dir": "logs/gan_notes_quick"}
SHOWN = 12  # samples per setting in the figure


def is_finished(folder: Path, command: str, iterations: int) -> bool:
    """Whether the folder holds a finished run of exactly this command."""
    try:
        run = finished_run.read(folder)
    except RunError:
        return False
    return run.results["iterations"] == iterations and run.config.get("command") == command


def train(arguments: list[str], log: Path) -> int:
    """Run Python with these arguments, appending its output to `log`; returns the exit status.

    Ctrl-C reaches only this process, which tells the run to save and waits for it.
    """
    with (
        log.open("a") as file,
        subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},  # so that the last line is the error message
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()  # SIGTERM, because background processes of a shell ignore SIGINT
            process.wait()
            raise


def do(
    setting: str, seed: int, logs_dir: Path, data_flags: list[str], iterations: int, batch_size: int, yardstick: Yardstick
) -> Result:
    """Train one run unless it is finished, and measure it."""
    folder = logs_dir / f"{setting}_seed{seed}"
    arguments = [os.path.relpath(SCRIPT), *data_flags, f"--batch_size={batch_size}", f"--seed={seed}"]
    arguments += [f"--max_iterations={iterations}", f"--logs_dir={folder}", *SETTINGS[setting].split()]
    result = Result(setting, seed, shlex.join(["python", *arguments]))
    if not is_finished(folder, result.command, iterations):
        log = folder.with_name(f"{folder.name}.txt")
        (folder / nonfinite.RECORD).unlink(missing_ok=True)  # from an earlier attempt
        if status := train(arguments, log):
            last = (log.read_text().strip().splitlines() or ["it printed nothing"])[-1]
            result.failure = f"exit status {status}: {last}"
            result.diverged = (folder / nonfinite.RECORD).exists()
    loss = event_files.scalars_logged(folder, "Discriminator_loss")
    result.course = np.array(list(loss.items()), np.float64).reshape(-1, 2)
    result.numbers = course_measures(result.course, iterations)
    if result.failure:
        return result
    try:
        done = finished_run.read(folder).results["iterations"]
        if done != iterations:
            raise RunError(f"it already has {done:,} iterations, more than {iterations:,}")
        model = finished_run.saved_model(folder / "model.keras", DCGAN)
    except RunError as error:
        result.failure = str(error)
        return result
    samples, batch_samples = sample(model), sample(model, batch_statistics=True)
    if not (np.isfinite(samples).all() and np.isfinite(batch_samples).all()):
        result.failure, result.diverged = "its samples are not finite", True
        return result
    result.samples = samples[:SHOWN]
    result.numbers |= yardstick.measure(samples, batch_samples)
    return result


@dataclasses.dataclass(frozen=True)
class Plan:
    """Size of the whole experiment.

    Attributes:
        iterations: iterations per run.
        seeds: runs per setting, with seeds 0, 1, ….
        batch_size: images per batch.
        only: settings to run; all if empty.
        quick: whether this is only a quick trial.
    """

    iterations: int = ITERATIONS
    seeds: int = SEEDS
    batch_size: int = 64
    only: Sequence[str] = ()
    quick: bool = False

    @property
    def preliminary(self) -> bool:
        """Whether the plan is too small for reliable verdicts."""
        return self.quick or self.seeds < SEEDS or self.iterations < ITERATIONS


def run_notes(plan: Plan, dataset_name: str, data_dir: str | None, logs_dir: Path) -> int:
    """Do all runs, then judge the claims; returns the exit status."""
    if not SCRIPT.exists():
        raise RunError(f"needs train_gan.py in the project's folder. Received: {SCRIPT.parent}, without it")
    dataset = mnist.load(dataset_name, data_dir)
    BatchOrder(len(dataset.train.images), plan.batch_size, seed=0)  # rejects a batch larger than the data
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)  # handled like Ctrl-C
    runs = [(setting, seed) for seed in range(plan.seeds) for setting in SETTINGS if setting in (plan.only or SETTINGS)]
    data_flags = [f"--dataset={dataset.name}", *([f"--data_dir={data_dir}"] if data_dir else [])]
    try:
        with run_directory.lock(logs_dir):
            yardstick = Yardstick(dataset)
            results = []
            for i, (setting, seed) in enumerate(runs, start=1):
                print(f"{i}/{len(runs)} {setting}, seed {seed}: … ", end="", flush=True)
                before = time.monotonic()
                results.append(do(setting, seed, logs_dir, data_flags, plan.iterations, plan.batch_size, yardstick))
                minutes, outcome = (time.monotonic() - before) / 60, results[-1]
                said = f"failed: {outcome.failure}" if outcome.failure else f"Fréchet {outcome.score:.2f}, done"
                print(f"{said} in {minutes:.1f} min", flush=True)
            write(logs_dir, plan, results, dataset, yardstick)
    except KeyboardInterrupt:
        again = shlex.join(["python", "-m", "unsupervised_learning.reproduce", *sys.argv[1:]])
        print(f"\nStopped; saved work is kept. To resume, rerun: {again}", file=sys.stderr)
        return KILLED + signal.SIGINT
    print(f"report.md, figure.png and results.json are in {logs_dir}")
    return 0


def write(logs_dir: Path, plan: Plan, results: list[Result], dataset: Dataset, yardstick: Yardstick) -> None:
    """Write report.md, figure.png and results.json."""
    facts = {
        "data": f"{dataset.name} ({dataset.source})",
        **{name: getattr(plan, name) for name in ("iterations", "batch_size", "seeds")},
        "reference": len(yardstick.reference),
        "components": int(yardstick.pca.n_components_),
        "frechet_of_real_images": yardstick.floor,
        "classifier_accuracy": yardstick.accuracy,
    }
    claims = judge(results, plan.preliminary)
    told_of_runs = ("setting", "seed", "command", "failure")
    runs = [{name: getattr(run, name) for name in told_of_runs} | run.numbers for run in results]
    told = [dict(zip(("claim", "compared", "verdict"), claim, strict=True)) for claim in claims]
    atomic_files.write_json(logs_dir / "results.json", {**facts, "claims": told, "runs": runs})
    atomic_files.write_atomically(logs_dir / "figure.png", plots.figure_png(draw(results)))
    atomic_files.write_atomically(logs_dir / "report.md", report(results, claims, facts))
