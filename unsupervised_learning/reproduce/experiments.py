"""The runs that the claims ask for: what each is made with, by which command, and which there are below a folder."""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from unsupervised_learning import errors
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.errors import RunError
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.original import runs
from unsupervised_learning.original.runs import Settings
from unsupervised_learning.training import finished_run, run_directory
from unsupervised_learning.training.finished_run import FinishedRun
from unsupervised_learning.vae import VariationalAutoEncoder


class Script(NamedTuple):
    """A training script: its name, its model, its recipes by name, and the default recipe."""

    name: str
    model: type[keras.Model]
    recipes: dict[str, Settings]
    default: str


SCRIPTS = {
    "AutoEncoder": Script("train_ae.py", AutoEncoder, runs.AUTOENCODER, "run5"),
    "VariationalAutoEncoder": Script("train_vae.py", VariationalAutoEncoder, runs.VAE, "fixed"),
    "DCGAN": Script("train_gan.py", DCGAN, runs.GAN, "dcgan"),
}
FLOWERS = {"side": 64, "channels": 3}  # settings that come from the data
PICTURES_OF_FLOWERS = 3_670
DUMPED = (0, 1_000, 10_000, 20_000)  # iterations of which run 3, the post's figure, left latent dumps
HEADS_OF_2016 = (3, 0)  # of mu and of log_var that are alive in the first VAE's checkpoint, replayed
CONTESTANTS = ("ours", "ours, no callbacks")  # of the benchmark


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A kind of run: a published run's recipe, but for some settings.

    Attributes:
        model: the class's name.
        recipe: the script's `--recipe`.
        seeds: how many runs the claims ask for.
        settings: that differ from the recipe's, beside the seed, by the names of the flags; `max_iterations` among them.
        dataset: that it is trained on.
    """

    model: str
    recipe: str
    seeds: int = 1
    settings: Settings = dataclasses.field(default_factory=dict)
    dataset: str = "mnist"

    @property
    def iterations(self) -> int:
        """As many, not more."""
        return {**SCRIPTS[self.model].recipes[self.recipe], **self.settings}["max_iterations"]

    def command(self, name: str, seed: int = 0) -> str:
        """What to type for one of its runs; DIR is the folder with MNIST's four files."""
        script = SCRIPTS[self.model]
        on = "--data_dir=DIR" if self.dataset == "mnist" else f"--dataset={self.dataset}"
        recipe = [] if self.recipe == script.default else [f"--recipe={self.recipe}"]
        flags = [f"--{key}={str(value).lower()}" if value is not True else f"--{key}" for key, value in self.settings.items()]
        return " ".join(["python", script.name, *recipe, on, f"--seed={seed}", *flags, f"--logs_dir=logs/{name}_seed{seed}"])

    def expected(self) -> Settings:
        """The settings that config.json has of such a run, but for the seed."""
        script = SCRIPTS[self.model]
        recipe = {} if self.recipe == script.default and self.model != "DCGAN" else {"recipe": self.recipe}
        pictures = FLOWERS if self.dataset == "tf_flowers" else {}
        own = run_directory.default_settings(script.model)
        settings = {**own, **script.recipes[self.recipe], **recipe, **self.settings, **pictures}
        return {name: value for name, value in settings.items() if name not in ("seed", "max_iterations")}

    def difference(self, config: dict[str, Any]) -> str:
        """The settings that keep a run of this model from being one of these; empty if none does."""
        expected = self.expected()
        settings = run_directory.settings_recorded(SCRIPTS[self.model].model, config)
        settings.pop("seed")
        names = [name for name in {**expected, **settings} if settings.get(name) != expected.get(name)]
        return ", ".join(f"{name}={settings.get(name)}" for name in names)


EXPERIMENTS = {
    "autoencoder": Experiment("AutoEncoder", "run5", 5),
    "autoencoder_run1": Experiment("AutoEncoder", "run1", 3),
    "autoencoder_run2": Experiment("AutoEncoder", "run2", 5),
    "autoencoder_run4": Experiment("AutoEncoder", "run4", 5),
    "autoencoder_linear": Experiment("AutoEncoder", "run5", settings={"activation": "linear"}),
    "autoencoder_wide": Experiment("AutoEncoder", "run5", settings={"z_dim": 32}),
    "autoencoder_sparse": Experiment("AutoEncoder", "run5", settings={"z_dim": 32, "sparsity": 0.001}),
    "vae_first": Experiment("VariationalAutoEncoder", "first", 10),
    "vae_fixed": Experiment("VariationalAutoEncoder", "fixed", 3),
    "vae_kl_weight_0.1": Experiment("VariationalAutoEncoder", "fixed", settings={"kl_weight": 0.1, "max_iterations": 20_001}),
    "vae_kl_weight_10": Experiment("VariationalAutoEncoder", "fixed", settings={"kl_weight": 10.0, "max_iterations": 20_001}),
    "gan": Experiment("DCGAN", "dcgan"),
    # The run that there is was made before `real_batches`, when all of an iteration's updates shared their real images.
    "gan_flowers": Experiment(
        "DCGAN", "dcgan", settings={"real_batches": "shared", "max_iterations": 2_001}, dataset="tf_flowers"
    ),
}


class Runs(dict[str, list[FinishedRun]]):
    """What there is to judge the claims by: the finished runs of each experiment, in order of the seeds.

    Attributes:
        left_out: why other runs are not among them, by path.
        speed: seconds an iteration in each round of `benchmarks.training`, by model and contestant; None if not measured.
        graphs: the author's own graphs trained to the end by `original train`, by recipe, in order of the seeds.
    """

    def __init__(
        self,
        found: dict[str, list[FinishedRun]],
        left_out: dict[str, str] | None = None,
        speed: dict | None = None,
        graphs: dict[str, list[FinishedRun]] | None = None,
    ):
        super().__init__(found)
        self.left_out, self.speed, self.graphs = left_out or {}, speed, graphs or {}


def find_runs(logs_dir: Path) -> Runs:
    """The runs below a folder that the claims ask for."""
    found: dict[str, dict[int, FinishedRun]] = defaultdict(dict)
    graphs: dict[str, dict[int, FinishedRun]] = defaultdict(dict)
    left_out = {}
    for path in below(logs_dir, "config.json"):
        folder, name = path.parent, str(path.parent.relative_to(logs_dir))
        try:
            run = read_run(folder)
            if "original_graph" in run.config["settings"]:
                graphs[str(run.config["settings"].get("recipe"))].setdefault(run.seed, run)
                continue
            experiment = experiment_of(run)
        except RunError as error:
            left_out[name] = str(error)
            continue
        before = found[experiment].setdefault(run.seed, run)
        if before is not run:
            left_out[name] = f"{experiment}, seed {run.seed}, is taken from {before.path.relative_to(logs_dir)}"
    speed = None
    for path in below(logs_dir, "speed.json"):
        try:
            measured = read_speed(path)
            if speed is not None:
                raise RunError("the speed is taken from another")
            speed = measured
        except RunError as error:
            left_out[str(path.relative_to(logs_dir))] = str(error)
    ours, theirs = ({name: [of[name][seed] for seed in sorted(of[name])] for name in of} for of in (found, graphs))
    return Runs({name: ours.get(name, []) for name in EXPERIMENTS}, left_out, speed, theirs)


def below(logs_dir: Path, name: str) -> list[Path]:
    """The files of that name; the user's own first, then the small copies."""
    return sorted(logs_dir.rglob(name), key=lambda path: ("reference" in path.parts, path))


def read_speed(path: Path) -> dict[str, Any]:
    """What a benchmark of the autoencoder and the VAE measured: seconds an iteration by model and contestant.

    Raises:
        RunError: if it is of other models, or of rounds too short to mean anything, or damaged.
    """
    try:
        measured = json.loads(path.read_text())
        share, of = float(measured["setting"]["share"]), measured["seconds_per_iteration"]
        times = {
            model: {name: [float(one) for one in of[model][name]] for name in CONTESTANTS} for model in ("autoencoder", "vae")
        }
        lengths = {len(one) for by_name in times.values() for one in by_name.values()}
    except run_directory.UNREADABLE as error:
        raise RunError(f"not a benchmark of the autoencoder and the VAE ({errors.reason(error)})") from None
    if share < 1:
        raise RunError(f"its rounds had {share:g} of their length")
    if len(lengths) != 1 or 0 in lengths:
        raise RunError("its rounds are not all there")
    return times


def read_run(folder: Path) -> FinishedRun:
    """Read a run that a claim may ask for.

    Raises:
        RunError: if it is not finished, or not on MNIST or the flowers, or its files are damaged.
    """
    run = finished_run.read(folder)
    config = run.config
    run.results["training_seconds"] = run.number("training_seconds")
    comparable = bool(run.number("comparable_with_2016"))
    seed = config["settings"].get("seed")
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise RunError(f"config.json has no whole number for a seed: {str(seed)[:20]}")
    if config["data"]["name"] == "tf_flowers":
        if (count := config["data"]["sizes"].get("train")) != PICTURES_OF_FLOWERS:
            raise RunError(f"on {count} pictures, where tf_flowers has {PICTURES_OF_FLOWERS:,}")
    elif not comparable:
        binarize = config["data"]["binarize"]
        how = "" if binarize == "none" else f" binarised by {binarize}"
        raise RunError(f"on {config['data']['name']}{how}, which is not MNIST, or not all of it")
    return run


def experiment_of(run: FinishedRun) -> str:
    """The name of the experiment that a run belongs to.

    Raises:
        RunError: if no claim asks for such a run.
    """
    of = run.config["model"], run.config["data"]["name"]
    differences = {
        name: experiment.difference(run.config)
        for name, experiment in EXPERIMENTS.items()
        if (experiment.model, experiment.dataset) == of
    }
    if not differences:
        raise RunError(f"no claim asks for a run of {of[0]} on {of[1]}")
    for name, difference in differences.items():
        if not difference:
            if run.results["iterations"] != EXPERIMENTS[name].iterations:
                wanted = f"{EXPERIMENTS[name].iterations:,}"
                raise RunError(f"{name}: {run.results['iterations']:,} iterations, where the claims ask for {wanted}")
            return name
    raise RunError(f"no claim asks for these settings: {min(differences.values(), key=len)}")


def heads_alive(run: FinishedRun) -> tuple[int, int]:
    """How many dimensions of mu, and of log_var, are not zero for every test image."""
    return int(run.results["mu_alive"]), int(run.results["log_var_alive"])


def as_published(first: Sequence[FinishedRun]) -> FinishedRun:
    """The first run of the first VAE in which as many heads live as in the published one; the first of all if none is so."""
    return next((run for run in first if heads_alive(run) == HEADS_OF_2016), first[0])
