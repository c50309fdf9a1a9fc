"""The settings of a run: one record, which the script makes from its flags and passes down."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import keras

MOST_IN_A_CALL = 1_000  # maximum iterations per compiled call; our choice
OF_TRAINING = ("batch_size", "learning_rate", "beta1", "restore_original")  # affect the results, but belong to no model


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a run. Defaults that are not here come from the model or from a recipe.

    Attributes:
        model: name of the model's class.
        arguments: all arguments of the model's constructor.
        max_iterations: total number of iterations, including those before a resume.
        batch_size: images per batch.
        learning_rate: learning rate of Adam.
        logs_dir: folder of the run.
        beta1: beta1 of Adam, if the script has a flag for it.
        restore_original: 2016 checkpoint that the run started from.
        recipe: published run that sets the defaults.
        default_recipe: default of --recipe in this script.
        binarize: how pixels are binarised.
        jit: whether XLA compiles training: `on`, `off`, or `auto`, which means `xla_by_default`.
        xla_by_default: whether XLA is known to be faster for this model.
        strategy: which devices share each batch: `none`, `mirrored` or `multi_worker`.
        logical_cpus: number of logical devices to split the CPU into.
        snapshots: number of snapshots of the weights to keep, see `snapshots`.
        dataset: name of the data set.
        folders: folders of the data that the user gave: `data_dir`, `image_dir`, `cache_dir`.
        command: command line that started the run.
    """

    model: str
    arguments: dict[str, Any]
    max_iterations: int
    batch_size: int
    learning_rate: float
    logs_dir: Path
    beta1: float | None = None
    restore_original: str | None = None
    recipe: str = ""
    default_recipe: str = ""
    binarize: str = "none"
    jit: str = "auto"
    xla_by_default: bool = True
    strategy: str = "none"
    logical_cpus: int = 1
    snapshots: int = 0
    dataset: str = "auto"
    folders: dict[str, str] = dataclasses.field(default_factory=dict)
    command: str = ""

    @property
    def seed(self) -> int:
        """Seed of the weights, the batches and the noise."""
        return self.arguments["seed"]

    @property
    def xla(self) -> bool:
        """Whether XLA compiles the training loop. It does not under a strategy, because XLA compiles for one device."""
        return self.jit == "on" or (self.jit == "auto" and self.xla_by_default and self.strategy == "none")

    @property
    def most_in_a_call(self) -> int:
        """Maximum number of iterations per compiled call, see `CompiledIterations`; 1 without XLA.

        It is also 1 with --jit=on for a model that XLA slows down: its iterations are so long that Python's overhead is small.
        """
        return MOST_IN_A_CALL if self.xla and self.xla_by_default else 1

    @property
    def later(self) -> dict[str, Any]:
        """Settings introduced after the first runs, with their defaults. They are recorded only if not at the default."""
        recipe = {} if "recipe" in self.arguments else {"recipe": self.default_recipe}
        return {"binarize": Settings.binarize, "jit": Settings.jit, **recipe}

    def deciding(self) -> dict[str, Any]:
        """Return the settings that affect the results, by flag name: `settings` in config.json."""
        of_training = {name: getattr(self, name) for name in OF_TRAINING if getattr(self, name) is not None}
        later = {name: getattr(self, name) for name, default in self.later.items() if getattr(self, name) != default}
        return {**self.arguments, **of_training, **later}

    def shared(self) -> dict[str, Any]:
        """Return the settings that must be equal in all workers of a run, by flag name."""
        return {
            **self.deciding(),
            **{name: getattr(self, name) for name in ("max_iterations", "strategy", "snapshots", "dataset")},
        }

    def differences(self, recorded: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Return the settings that differ from those of a recorded run: name → (recorded, own); None for a missing one."""
        here, there = ({**self.later, **settings} for settings in (self.deciding(), recorded))
        return {name: (there.get(name), here.get(name)) for name in {**here, **there} if here.get(name) != there.get(name)}


def default_settings(build: type[keras.Model]) -> dict[str, Any]:
    """Return the defaults of the model's constructor."""
    parameters = inspect.signature(build).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
