"""The processes that make the runs: what each executes, whether it is finished, how long it takes."""

import dataclasses
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unsupervised_learning import atomic_files
from unsupervised_learning.errors import RunError
from unsupervised_learning.original import runs
from unsupervised_learning.reproduce.experiments import EXPERIMENTS, NOTES, SCRIPTS, graph_difference, reference_folder
from unsupervised_learning.training import checkpoints, finished_run, run_directory
from unsupervised_learning.training.finished_run import FinishedRun

ROOT = Path(__file__).parents[2]  # where the scripts are: the checkout, or site-packages
START = 15  # seconds that a run takes beside its training, roughly: importing TensorFlow, compiling, evaluating
QUICK = {"AutoEncoder": 201, "VariationalAutoEncoder": 201, "DCGAN": 3}  # iterations with --quick
# The author's graphs: name → recipe, number of seeds, ends of the .meta file's path (in the author's repositories; elsewhere).
GRAPHS = {
    "graph_run5": ("run5", 10, ("MNIST_logs/run5/model.ckpt-20000.meta", "ae_run5/model.ckpt-20000.meta")),
    "graph_first": ("first", 20, ("MNIST_VAE_logs_1/model.ckpt-100000.meta", "vae_relu_heads/model.ckpt-100000.meta")),
    "graph_fixed": ("fixed", 10, ("MNIST_VAE_logs_2/model.ckpt-100000.meta", "vae/model.ckpt-100000.meta")),
}
GROUPS = {NOTES: [name for name in EXPERIMENTS if name.startswith(f"{NOTES}_")], "graphs": list(GRAPHS)}


@dataclasses.dataclass(frozen=True)
class Job:
    """One run: a training script, or the author's graph, with one seed.

    Attributes:
        name: name of the experiment or graph.
        seed: seed of the run.
        folder: the run's folder.
        words: what Python executes: a script's path or `-m MODULE`, and arguments.
        iterations: number of iterations of the finished run.
        data: name of the data set.
    """

    name: str
    seed: int
    folder: Path
    words: tuple[str, ...]
    iterations: int
    data: str

    @property
    def log(self) -> Path:
        """File with what the process prints."""
        return self.folder.with_name(f"{self.folder.name}.txt")

    def finished(self) -> FinishedRun | None:
        """Return the run if it is finished, with this job's iterations, data, seed and settings."""
        try:
            run = finished_run.read(self.folder)
        except RunError:
            return None
        there = run.results["iterations"], run.config["data"]["name"], run.config["settings"].get("seed"), run.is_of_graph
        if there != (self.iterations, self.data, self.seed, self.name in GRAPHS):
            return None
        different = graph_difference(run.config) if run.is_of_graph else EXPERIMENTS[self.name].difference(run.config)
        return None if different else run

    def done(self) -> int:
        """Return the number of completed iterations in the newest saved state; 0 without one."""
        if self.name in GRAPHS:
            return completed_updates(self.folder / runs.STATE)
        newest = next(iter(checkpoints.newest_first(self.folder)), None)
        return int(checkpoints.number(newest)) if newest else 0

    def left(self) -> float:
        """Return the share of the run that is still to do, from 0 to 1."""
        return 0.0 if self.finished() else max(0.0, 1 - self.done() / self.iterations)

    def is_locked(self) -> bool:
        """Whether another process is working in the folder, as a training that outlived a killed command."""
        if not self.folder.exists():
            return False
        try:
            run_directory.lock(self.folder).close()
        except run_directory.InUseError:
            return True
        except RunError:
            return False  # the job will fail with this reason
        return False


@dataclasses.dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes:
        names: experiments, graphs or groups; all if empty.
        seeds: number of seeds of each run; None for as many as the claims need.
        out: folder for the runs.
        quick: whether runs are cut to a few iterations of one seed.
        dataset, data_dir: data set of the runs on digits, and its folder.
        image_dir: folder with the flowers, if they are not prepared by tensorflow-datasets.
        original_logs: folder with the author's files, for the graphs.
    """

    names: Sequence[str] = ()
    seeds: int | None = None
    out: Path = Path("logs/reproduction")
    quick: bool = False
    dataset: str = "mnist"
    data_dir: str | None = None
    image_dir: str | None = None
    original_logs: Path | None = None

    def jobs(self) -> list[Job]:
        """Return all jobs, seed by seed, so that every run has its first seed early.

        Raises:
            RunError: an unknown name, or a graph that is not in the author's files.
        """
        names = self.expanded()
        metas = {name: meta(name, self.original_logs) for name in names if name in GRAPHS}
        found = []
        for seed in range(max(map(self.count, names))):
            found += [self.job(name, seed, metas) for name in names if seed < self.count(name)]
        return found

    def notes(self) -> list[Job]:
        """Return the jobs of all notes on the GAN, with as many seeds as the claims need, or more if asked for."""
        seeds = max(self.seeds or 0, *(EXPERIMENTS[name].seeds for name in GROUPS[NOTES]))
        return dataclasses.replace(self, names=[NOTES], seeds=seeds).jobs()

    def expanded(self) -> list[str]:
        """Return the names of experiments and graphs, without repetition."""
        known = [*EXPERIMENTS, *(GRAPHS if self.original_logs else ())]
        if unknown := [name for name in self.names if name not in {*EXPERIMENTS, *GRAPHS, *GROUPS}]:
            choice = ", ".join([*(name for name in EXPERIMENTS if name not in GROUPS[NOTES]), *GROUPS, *GRAPHS])
            raise RunError(f"expected names from: {choice}. Received: {unknown[0]}")
        return list(dict.fromkeys(one for name in self.names or known for one in GROUPS.get(name, [name])))

    def count(self, name: str) -> int:
        """Return the number of seeds."""
        return 1 if self.quick else self.seeds or (GRAPHS[name][1] if name in GRAPHS else EXPERIMENTS[name].seeds)

    def job(self, name: str, seed: int, metas: dict[str, Path]) -> Job:
        """Return the job of one run."""
        on = [f"--dataset={self.dataset}", *([f"--data_dir={self.data_dir}"] if self.data_dir else [])]
        if name in GRAPHS:
            recipe = GRAPHS[name][0]
            folder = self.out / "original_2016" / f"{recipe}_graph_seed{seed}"
            iterations = QUICK["AutoEncoder"] if self.quick else {**runs.AUTOENCODER, **runs.VAE}[recipe]["max_iterations"]
            words = ["-m", "unsupervised_learning.original", "train", str(metas[name]), *on[1:], f"--seed={seed}"]
            words += [f"--max_iterations={iterations}", f"--logs_dir={self.out}"]
            return Job(name, seed, folder, tuple(words), iterations, "mnist")
        experiment, folder = EXPERIMENTS[name], self.out / f"{name}_seed{seed}"
        if experiment.dataset != "mnist":
            on = [f"--dataset={experiment.dataset}", *([f"--image_dir={self.image_dir}"] if self.image_dir else [])]
        words = [os.path.relpath(ROOT / SCRIPTS[experiment.model].name), *on, *experiment.flags(seed)]
        iterations = QUICK[experiment.model] if self.quick else experiment.iterations
        words += [*([f"--max_iterations={iterations}"] if self.quick else []), f"--logs_dir={folder}"]
        data = self.dataset if experiment.dataset == "mnist" else experiment.dataset
        return Job(name, seed, folder, tuple(words), iterations, data)


def completed_updates(state: Path) -> int:
    """Return the number of updates in the saved state of a run of the author's graph; 0 if it cannot be read."""
    try:
        with state.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            return int(saved["done"])
    except (*run_directory.UNREADABLE, EOFError, zipfile.BadZipFile):
        return 0


def meta(name: str, original_logs: Path | None) -> Path:
    """Return the path of a graph's .meta file among the author's files.

    Raises:
        RunError: it is not there, or the folder is not given.
    """
    if original_logs is None:
        raise RunError(f"{name} needs --original_logs (or $ORIGINAL_DIR), the folder with the author's files")
    for end in GRAPHS[name][2]:
        for path in sorted(original_logs.rglob(Path(end).name)):
            if path.as_posix().endswith(f"/{end}"):
                return path
    raise RunError(f"{original_logs} has no {' or '.join(GRAPHS[name][2])}, which {name} needs")


class Costs:
    """Time and disk space of a run by name, from finished jobs or else from the runs in logs/reference.

    Attributes:
        seconds: expected time of a whole process.
        megabytes: size of the folder, where a job is finished.
        elsewhere: names whose time comes from logs/reference.
    """

    def __init__(self, jobs: Sequence[Job]):
        self.seconds: dict[str, float] = {}
        self.megabytes: dict[str, float] = {}
        self.elsewhere: set[str] = set()
        for name, iterations in {job.name: job.iterations for job in jobs}.items():
            here = [run for job in jobs if job.name == name and (run := job.finished())]
            self.elsewhere |= set() if here else {name}
            known = [seconds for run in here if isinstance(seconds := run.results.get("training_seconds"), int | float)]
            pace = [seconds / iterations for seconds in known] or pace_of_reference(name)
            if pace:
                self.seconds[name] = float(np.median(pace)) * iterations + START
            if here:
                self.megabytes[name] = float(np.mean([size(run.path) for run in here])) / 2**20


def pace_of_reference(name: str) -> list[float]:
    """Return the seconds per iteration of the runs of this name in logs/reference, or else of the same model and data."""
    if name in GRAPHS:
        return paces(f"original_2016/{GRAPHS[name][0]}_graph_seed*")
    own = EXPERIMENTS[name]
    alike = [other for other, one in EXPERIMENTS.items() if (one.model, one.dataset) == (own.model, own.dataset)]
    return paces(f"{name}_seed*") or [pace for other in alike for pace in paces(f"{other}_seed*")]


def paces(folders: str) -> list[float]:
    """Return the seconds per iteration of the runs in these folders of logs/reference."""
    found = []
    for folder in reference_folder().glob(folders):
        try:
            results = atomic_files.read_json(folder / "results.json")
            found.append(float(results["training_seconds"]) / int(results["iterations"]))
        except run_directory.UNREADABLE:
            continue
    return found


def size(folder: Path) -> int:
    """Return the number of bytes in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def listing(jobs: Sequence[Job], out: Path, slots: int) -> str:
    """Return a table of what would run, how long that takes and how much disk space."""
    costs = Costs(jobs)
    head = f"{'run':<34}{'seeds':>6}{'done':>6}{'iterations':>12}{'min each':>10}{'MiB each':>10}"
    lines, left, unknown = [head], [], []
    for name in dict.fromkeys(job.name for job in jobs):
        own = [job for job in jobs if job.name == name]
        done = sum(job.finished() is not None for job in own)
        seconds, there = costs.seconds.get(name), costs.megabytes.get(name)
        if seconds is None:
            unknown.append(name)
        left += [(seconds or 0.0) * job.left() for job in own]
        minutes = "–" if seconds is None else f"{seconds / 60:.1f}{'*' if name in costs.elsewhere else ''}"
        space = "–" if there is None else f"{there:.0f}"
        lines.append(f"{name:<34}{len(own):>6}{done:>6}{own[0].iterations:>12,}{minutes:>10}{space:>10}")
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    at_best = max(sum(left) / slots, *left, 0.0)  # one run takes one core, however many there are
    lines.append(f"left: {duration(sum(left))} of one core, {duration(at_best)} with {slots} at a time" + without(unknown))
    lines.append(f"*: from the runs in logs/reference. Folder: {out}, on a disk with {free:.0f} GiB free")
    return "\n".join(lines)


def without(unknown: Sequence[str]) -> str:
    """Say which runs an estimate does not include."""
    return f", not counting {', '.join(unknown)}" if unknown else ""


def duration(seconds: float) -> str:
    """Format a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
