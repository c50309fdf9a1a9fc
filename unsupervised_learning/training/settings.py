"""What a run was asked to do: one record, made by the script from its flags and handed down to all that needs it."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import keras

MOST_IN_A_CALL = 1_000  # iterations that XLA does before Python has its turn; our choice
OF_TRAINING = ("batch_size", "learning_rate", "beta1", "restore_original")  # decide the numbers, and are no model's


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a run. Defaults that are not here are the model's own, or those of a recipe.

    Attributes:
        model: name of the model's class.
        arguments: of the model's constructor, all of them.
        max_iterations: iterations, over all resumed runs.
        batch_size: images in a batch.
        learning_rate: Adam's.
        logs_dir: where the run is kept.
        beta1: Adam's, where the script has a flag for it.
        restore_original: checkpoint of 2016 that the run went on from.
        recipe: the published run that gave the defaults.
        default_recipe: the script's own.
        binarize: how pixels are made black or white.
        jit: whether XLA compiles training: `on`, `off`, or `auto`, which means `xla_by_default`.
        xla_by_default: whether XLA is known to be faster for this model.
        strategy: which devices share each batch: `none`, `mirrored` or `multi_worker`.
        logical_cpus: devices to make of the CPU.
        dataset: its name.
        folders: of the data: `data_dir`, `image_dir`, `cache_dir`, where they were given.
        command: what the user typed.
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
    dataset: str = "auto"
    folders: dict[str, str] = dataclasses.field(default_factory=dict)
    command: str = ""

    @property
    def seed(self) -> int:
        """Seed of the weights, the batches and the noise."""
        return self.arguments["seed"]

    @property
    def xla(self) -> bool:
        """Whether XLA compiles the training loop. Not under a strategy, as XLA compiles for one device."""
        return self.jit == "on" or (self.jit == "auto" and self.xla_by_default and self.strategy == "none")

    @property
    def most_in_a_call(self) -> int:
        """Iterations of the compiled loop, at most, before Python has its turn; 1 where XLA does not compile it.

        See `CompiledIterations`. For a model that XLA makes slower one call is long enough.
        """
        return MOST_IN_A_CALL if self.xla and self.xla_by_default else 1

    @property
    def later(self) -> dict[str, Any]:
        """Defaults of the settings that came after the first runs: recorded only where they differ from these."""
        recipe = {} if "recipe" in self.arguments else {"recipe": self.default_recipe}
        return {"binarize": Settings.binarize, "jit": Settings.jit, **recipe}

    def deciding(self) -> dict[str, Any]:
        """What decides the numbers, beside the data: `settings` in config.json, by the names of the flags."""
        of_training = {name: getattr(self, name) for name in OF_TRAINING if getattr(self, name) is not None}
        later = {name: getattr(self, name) for name, default in self.later.items() if getattr(self, name) != default}
        return {**self.arguments, **of_training, **later}

    def shared(self) -> dict[str, Any]:
        """What the workers of one run must have in common, by the names of the flags."""
        return {**self.deciding(), **{name: getattr(self, name) for name in ("max_iterations", "strategy", "dataset")}}

    def differences(self, recorded: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        """The settings that differ from a recorded run's `deciding`: name → (there, here); None where there is none."""
        here, there = ({**self.later, **settings} for settings in (self.deciding(), recorded))
        return {name: (there.get(name), here.get(name)) for name in {**here, **there} if here.get(name) != there.get(name)}


def default_settings(build: type[keras.Model]) -> dict[str, Any]:
    """The model's own settings, at the defaults of its constructor."""
    parameters = inspect.signature(build).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
