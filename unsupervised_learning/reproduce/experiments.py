"""The runs that the claims need: their settings and commands, and how to find them in a folder."""

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from unsupervised_learning import errors
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.errors import RunError
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.original import runs
from unsupervised_learning.original.runs import Settings
from unsupervised_learning.reproduce.gan_verdicts import SETTINGS
from unsupervised_learning.training import finished_run, run_directory
from unsupervised_learning.training.finished_run import FinishedRun
from unsupervised_learning.vae import VariationalAutoEncoder


class Script(NamedTuple):
    """A training script: its file name, model, recipes by name, and default recipe."""

    name: str
    model: type[keras.Model]
    recipes: dict[str, Settings]
    default: str


SCRIPTS = {
    "AutoEncoder": Script("train_ae.py", AutoEncoder, runs.AUTOENCODER, "run5"),
    "VariationalAutoEncoder": Script("train_vae.py", VariationalAutoEncoder, runs.VAE, "fixed"),
    "DCGAN": Script("train_gan.py", DCGAN, runs.GAN, "dcgan"),
}
NOTES, NOTES_SIZE = "gan_notes", {"max_iterations": 550}  # our choice: 30 runs in about two hours on two cores
FLOWERS = {"side": 64, "channels": 3, "real_batches": "fresh"}  # settings determined by the data
PICTURES_OF_FLOWERS = 3_670
DUMPED = (0, 1_000, 10_000, 20_000)  # iterations with latent dumps of run 3, the post's figure
NEEDED = {"VariationalAutoEncoder": ("negative_elbo", "mu_alive", "log_var_alive")}  # results that `compare` always reads
HEADS_OF_2016 = (3, 0)  # dimensions of mu and of log_var that are alive in the first VAE's 2016 checkpoint
CONTESTANTS = ("ours", "ours, no callbacks")  # names in the benchmark


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A kind of run: a published run's recipe with some settings changed.

    Attributes:
        model: name of the model's class.
        recipe: the script's `--recipe`.
        seeds: number of seeds that the claims need.
        settings: settings that differ from the recipe's, by flag name, including `max_iterations` but not the seed.
        dataset: data set to train on.
    """

    model: str
    recipe: str
    seeds: int = 1
    settings: Settings = dataclasses.field(default_factory=dict)
    dataset: str = "mnist"

    @property
    def iterations(self) -> int:
        """Number of iterations that a run must have, exactly."""
        return {**SCRIPTS[self.model].recipes[self.recipe], **self.settings}["max_iterations"]

    def flags(self, seed: int) -> list[str]:
        """Return the script's flags for one run, without its data and folder."""
        recipe = [] if self.recipe == SCRIPTS[self.model].default else [f"--recipe={self.recipe}"]
        flags = [f"--{key}={str(value).lower()}" if value is not True else f"--{key}" for key, value in self.settings.items()]
        return [*recipe, f"--seed={seed}", *flags]

    def command(self, name: str, seed: int = 0) -> str:
        """Return the command for one run; DIR stands for the folder with MNIST's four files."""
        on = "--data_dir=DIR" if self.dataset == "mnist" else f"--dataset={self.dataset}"
        return " ".join(["python", SCRIPTS[self.model].name, on, *self.flags(seed), f"--logs_dir=logs/{name}_seed{seed}"])

    def expected(self) -> Settings:
        """Return the settings in config.json of such a run, except the seed and the iterations."""
        script = SCRIPTS[self.model]
        recipe = {} if self.recipe == script.default and self.model != "DCGAN" else {"recipe": self.recipe}
        pictures = FLOWERS if self.dataset == "tf_flowers" else {}
        own = run_directory.default_settings(script.model)
        settings = {**own, **script.recipes[self.recipe], **recipe, **self.settings, **pictures}
        return {name: value for name, value in settings.items() if name not in ("seed", "max_iterations")}

    def difference(self, config: dict[str, Any]) -> str:
        """Return the settings in which a run of this model differs from the experiment, as text; empty if none does."""
        expected = self.expected()
        settings = run_directory.settings_recorded(SCRIPTS[self.model].model, config)
        settings.pop("seed")
        names = [name for name in {**expected, **settings} if settings.get(name) != expected.get(name)]
        return ", ".join(f"{name}={settings.get(name)}" for name in names)


EXPERIMENTS = {
    "autoencoder": Experiment("AutoEncoder", "run5", 10),
    "autoencoder_run1": Experiment("AutoEncoder", "run1", 10),
    "autoencoder_run2": Experiment("AutoEncoder", "run2", 10),
    "autoencoder_run4": Experiment("AutoEncoder", "run4", 10),
    "autoencoder_linear": Experiment("AutoEncoder", "run5", 3, {"activation": "linear"}),
    "autoencoder_wide": Experiment("AutoEncoder", "run5", 3, {"z_dim": 32}),
    "autoencoder_sparse": Experiment("AutoEncoder", "run5", 3, {"z_dim": 32, "sparsity": 0.001}),
    "vae_first": Experiment("VariationalAutoEncoder", "first", 20),
    "vae_fixed": Experiment("VariationalAutoEncoder", "fixed", 10),
    "vae_kl_weight_0.1": Experiment("VariationalAutoEncoder", "fixed", 3, {"kl_weight": 0.1, "max_iterations": 20_001}),
    "vae_kl_weight_10": Experiment("VariationalAutoEncoder", "fixed", 3, {"kl_weight": 10.0, "max_iterations": 20_001}),
    "gan": Experiment("DCGAN", "dcgan", 2),
    # By then its images do not depend on z any more: docs/gan.md.
    "gan_first_attempt": Experiment("DCGAN", "first_attempt", 3, {"max_iterations": 1_501}),
    "gan_flowers": Experiment("DCGAN", "dcgan", 1, {"max_iterations": 6_001}, "tf_flowers"),
    **{f"{NOTES}_{name}": Experiment("DCGAN", "dcgan", 3, {**changed, **NOTES_SIZE}) for name, changed in SETTINGS.items()},
}

BY_RECIPE = {of.recipe: of for of in EXPERIMENTS.values() if not of.settings and of.model != "DCGAN"}  # the published runs


class Runs(dict[str, list[FinishedRun]]):
    """The evidence for the claims: each experiment's finished runs, sorted by seed.

    Attributes:
        left_out: reasons why other runs are not used, by path.
        duplicates: paths in `left_out` of runs with an experiment and seed that another run already has.
        speed: seconds per iteration in each round of `benchmarks.training`, by model and contestant; None if not measured.
        graphs: runs of the author's own graphs, made by `original train`, by recipe and sorted by seed.
    """

    def __init__(
        self,
        found: dict[str, list[FinishedRun]],
        left_out: dict[str, str] | None = None,
        speed: dict | None = None,
        graphs: dict[str, list[FinishedRun]] | None = None,
        duplicates: Collection[str] = (),
    ):
        super().__init__(found)
        self.left_out, self.speed, self.graphs, self.duplicates = left_out or {}, speed, graphs or {}, duplicates


def reference_folder() -> Path:
    """Return the folder of our finished runs: logs/reference in a checkout, or the part of it in an installed package."""
    package = Path(__file__).parents[1]
    checkout = package.parent / "logs" / "reference"
    return checkout if checkout.is_dir() else package / "reference"


def find_runs(logs_dir: Path, *more: Path) -> Runs:
    """Find the runs that the claims need in a folder and its subfolders, and then in more folders."""
    found: dict[str, dict[int, FinishedRun]] = defaultdict(dict)
    graphs: dict[str, dict[int, FinishedRun]] = defaultdict(dict)
    left_out, duplicates = {}, set()

    def name_of(path: Path) -> str:
        return str(path.relative_to(logs_dir) if path.is_relative_to(logs_dir) else path)

    for path in [path for folder in (logs_dir, *more) for path in below(folder, "config.json")]:
        folder, name = path.parent, name_of(path.parent)
        try:
            run = read_run(folder)
            kind, of = (recipe_of_graph(run), graphs) if run.is_of_graph else (experiment_of(run), found)
        except RunError as error:
            left_out[name] = str(error)
            continue
        before = of[kind].setdefault(run.seed, run)
        if before is not run:
            what = f"the author's graph of {kind}" if run.is_of_graph else kind
            left_out[name] = f"{what}, seed {run.seed}, is already in {name_of(before.path)}"
            duplicates.add(name)
    speed = None
    for path in [path for folder in (logs_dir, *more) for path in below(folder, "speed.json")]:
        try:
            measured = read_speed(path)
            if speed is not None:
                raise RunError("another speed.json is used")
            speed = measured
        except RunError as error:
            left_out[name_of(path)] = str(error)
    ours, theirs = ({name: [of[name][seed] for seed in sorted(of[name])] for name in of} for of in (found, graphs))
    return Runs({name: ours.get(name, []) for name in EXPERIMENTS}, left_out, speed, theirs, duplicates)


def below(logs_dir: Path, name: str) -> list[Path]:
    """Return all files with a name: the user's own runs first, then the small copies."""
    return sorted(logs_dir.rglob(name), key=lambda path: ("reference" in path.parts, path))


def read_speed(path: Path) -> dict[str, Any]:
    """Read a benchmark of the autoencoder and the VAE: seconds per iteration, by model and contestant.

    Raises:
        RunError: if it covers other models, its rounds are too short, or it is damaged.
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
        raise RunError(f"its rounds were shortened to {share:g} of their length")
    if len(lengths) != 1 or 0 in lengths:
        raise RunError("some of its rounds are missing")
    return times


def read_run(folder: Path) -> FinishedRun:
    """Read a run that a claim may use.

    Raises:
        RunError: if it is unfinished or damaged, lacks a number, or its data are neither all of MNIST nor all of the flowers.
    """
    run = finished_run.read(folder)
    config = run.config
    run.results["training_seconds"] = run.number("training_seconds")
    for name in NEEDED.get(run.model_name, ()):
        if not math.isfinite(number := run.number(name)):
            raise RunError(f"results.json must have a finite {name}. Received: {number}")
    comparable = bool(run.number("comparable_with_2016"))
    seed = config["settings"].get("seed")
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise RunError(f"the seed in config.json is not a whole number: {str(seed)[:20]}")
    if config["data"]["name"] == "tf_flowers":
        if (count := config["data"]["sizes"].get("train")) != PICTURES_OF_FLOWERS:
            raise RunError(f"trained on {count} pictures; expected all {PICTURES_OF_FLOWERS:,} of tf_flowers")
    elif not comparable:
        binarize = config["data"]["binarize"]
        how = "" if binarize == "none" else f" binarised by {binarize}"
        raise RunError(f"trained on {config['data']['name']}{how}; expected all of MNIST")
    return run


def experiment_of(run: FinishedRun) -> str:
    """Return the name of the experiment that a run belongs to.

    Raises:
        RunError: if no claim needs such a run.
    """
    of = run.config["model"], run.config["data"]["name"]
    differences = {
        name: experiment.difference(run.config)
        for name, experiment in EXPERIMENTS.items()
        if (experiment.model, experiment.dataset) == of
    }
    if not differences:
        raise RunError(f"no claim needs a run of {of[0]} on {of[1]}")
    same = [name for name, difference in differences.items() if not difference]
    for name in same:
        if run.results["iterations"] == EXPERIMENTS[name].iterations:
            return name
    if same:
        wanted = f"{EXPERIMENTS[same[0]].iterations:,}"
        raise RunError(f"{same[0]}: {run.results['iterations']:,} iterations; the claims need {wanted}")
    raise RunError(f"no claim needs these settings: {min(differences.values(), key=len)}")


def recipe_of_graph(run: FinishedRun) -> str:
    """Return the recipe of a run of the author's graph.

    Raises:
        RunError: the graph has other settings than the recipe's, or was not trained to its end.
    """
    recipe = str(run.config["settings"].get("recipe"))
    if difference := graph_difference(run.config):
        raise RunError(f"the author's graph nearest to {recipe}, but with other settings: {difference}")
    if run.results["iterations"] != (wanted := BY_RECIPE[recipe].iterations):
        raise RunError(f"the author's graph of {recipe}: {run.results['iterations']:,} iterations; the claims need {wanted:,}")
    return recipe


def graph_difference(config: dict[str, Any]) -> str:
    """Return the settings in which a run of the author's graph differs from its recipe, as text; empty if none does."""
    settings = config["settings"]
    of = BY_RECIPE.get(str(settings.get("recipe")))
    if of is None or of.model != config["model"]:
        return f"recipe={settings.get('recipe')}"
    known = {name: value for name, value in settings.items() if name in of.expected() or name == "seed"}
    return of.difference({**config, "settings": known})


def heads_alive(run: FinishedRun) -> tuple[int, int]:
    """Number of live dimensions of mu and of log_var. A dimension is alive if it is nonzero for at least one test image."""
    return int(run.results["mu_alive"]), int(run.results["log_var_alive"])


def as_published(first: Sequence[FinishedRun]) -> FinishedRun:
    """Return the first VAE's run with as many live dimensions as in 2016; the run of the lowest seed if there is none."""
    return next((run for run in first if heads_alive(run) == HEADS_OF_2016), first[0])
