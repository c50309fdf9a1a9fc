"""Read and write checkpoints of 2016's autoencoder and VAE, and restore our models from them."""

import dataclasses
import math
import os
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from unsupervised_learning.atomic_files import written_anew
from unsupervised_learning.autoencoder import PIXELS, AutoEncoder
from unsupervised_learning.errors import RunError
from unsupervised_learning.vae import VariationalAutoEncoder

Model = AutoEncoder | VariationalAutoEncoder
BETA1, BETA2 = 0.9, 0.999  # 2016's Adam
# 2016's VAE wrote `model.ckpt-N` after the update of iteration N, so after N + 1 updates; the autoencoder wrote it before.
UPDATES_IN_ITERATION = {AutoEncoder: 0, VariationalAutoEncoder: 1}
ENDS = {AutoEncoder: 20_000, VariationalAutoEncoder: 100_001}  # updates in the published runs' last checkpoints


@dataclasses.dataclass(frozen=True, eq=False)  # comparing arrays does not give one bool
class Checkpoint:
    """A checkpoint of 2016.

    Attributes:
        path: path of the file.
        model: class of the model.
        z_dim: number of latent dimensions.
        values: the variables, by their names in `variables_of_2016`.
        momentums, velocities: Adam's m and v, by the same names; empty if the file has none.
        updates: number of updates before it was written; None if unknown.
    """

    path: Path
    model: type[AutoEncoder] | type[VariationalAutoEncoder]
    z_dim: int
    values: dict[str, np.ndarray]
    momentums: dict[str, np.ndarray]
    velocities: dict[str, np.ndarray]
    updates: int | None

    @property
    def at_the_end(self) -> bool:
        """Whether it is the last checkpoint of a published run."""
        return self.updates == ENDS[self.model] and self.z_dim == 3

    def restore(self, model: Model) -> None:
        """Restore a model's variables and, if the model is compiled, its Adam state and iteration.

        Raises:
            RunError: if the checkpoint is of another model or z_dim, or lacks the Adam state or iteration of a compiled model.
        """
        if type(model) is not self.model or model.z_dim != self.z_dim:
            there, here = f"{self.model.__name__}, z_dim {self.z_dim}", f"{type(model).__name__}, z_dim {model.z_dim}"
            raise RunError(f"{self.path} is another model's checkpoint: it has {there}; expected {here}")
        variables = model.variables_of_2016()
        for name, value in self.values.items():
            variables[name].assign(value)
        if not model.compiled:
            return
        if not self.momentums or self.updates is None:
            missing = "Adam's state" if not self.momentums else "the iteration, as in model.ckpt-20000"
            raise RunError(f"{self.path} cannot be resumed: missing {missing}")
        for name, (momentum, velocity) in slots(model).items():
            momentum.assign(self.momentums[name])
            velocity.assign(self.velocities[name])
        model.optimizer.iterations.assign(self.updates)


def slots(model: Model) -> dict[str, tuple[tf.Variable, tf.Variable]]:
    """Return Adam's m and v for each variable, by its name in `variables_of_2016`."""
    model.optimizer.build(model.trainable_variables)
    own = {variable.path.split("/", 1)[1]: variable for variable in model.optimizer.variables}
    stems = {name: variable.path.replace("/", "_") for name, variable in model.variables_of_2016().items()}
    return {name: (own[f"{stem}_momentum"], own[f"{stem}_velocity"]) for name, stem in stems.items()}


def name_today(name: str) -> str:
    """Return a variable's name in the published code: without `:0`, and with `fc3/b_fc2` of older runs renamed to `b_fc3`.

    Older runs put each variable in the scope of its layer, and gave the third bias the second one's name.
    """
    name = name.removesuffix(":0")
    return re.sub(r"^fc(\d)/([Wb])_fc\d", r"\2_fc\1", name)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a 2016 checkpoint, in TensorFlow 0.x's format or today's.

    Raises:
        RunError: if it is missing, damaged, or not of 2016's autoencoder or VAE.
    """
    path = Path(os.path.expanduser(path))
    if not (path.is_file() or path.with_name(f"{path.name}.index").is_file()):
        raise RunError(f"no checkpoint at {path}; expected a file such as model.ckpt-20000")
    try:
        reader = tf.train.load_checkpoint(str(path))
        stored = {name_today(name): reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except Exception as error:  # damaged files raise anything from DataLossError to IndexError
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RunError(f"cannot read the checkpoint {path}: {reason}") from None

    for build in (AutoEncoder, VariationalAutoEncoder):
        if set(build().variables_of_2016()) <= set(stored):
            break
    else:
        found = ", ".join(sorted(stored)[:3]) + (", …" if len(stored) > 3 else "")
        raise RunError(
            f"{path} is not a checkpoint of 2016's autoencoder or VAE: it holds {found}; expected W_fc1 or encoder/W_fc1"
        )
    into_latents = stored["W_fc3" if build is AutoEncoder else "encoder/W_fc3"].shape  # units, z_dim
    z_dim = into_latents[-1] if len(into_latents) == 2 else 0
    if not 1 <= z_dim <= PIXELS:
        raise RunError(f"{path}: the latent layer's weights have the shape {into_latents}; expected (50, z_dim)")
    shapes = {name: tuple(variable.shape) for name, variable in build(z_dim=z_dim).variables_of_2016().items()}
    has_adam = all(f"{name}{slot}" in stored for name in shapes for slot in ("/Adam", "/Adam_1"))
    values = {name: stored[name] for name in shapes}
    momentums = {name: stored[f"{name}/Adam"] for name in shapes if has_adam}
    velocities = {name: stored[f"{name}/Adam_1"] for name in shapes if has_adam}
    for name, value in [*values.items(), *momentums.items(), *velocities.items()]:
        if value.shape != shapes[name]:
            raise RunError(f"{path}: {name} has the shape {value.shape}; expected {shapes[name]}")
        if value.dtype != np.float32:
            raise RunError(f"{path}: {name} has type {value.dtype}; expected float32")
        if not np.isfinite(value).all():
            raise RunError(f"{path}: {name} is not finite")
    power = stored.get("beta2_power")
    if power is not None and (np.shape(power) != () or np.asarray(power).dtype != np.float32):
        raise RunError(f"{path}: beta2_power is {power!r}; expected one number")
    return Checkpoint(path, build, z_dim, values, momentums, velocities, updates_of(path, power, build))


def updates_of(path: Path, beta2_power: np.ndarray | None, model: type[Model]) -> int | None:
    """Number of updates before a checkpoint was written, from its file name or Adam's beta2_power; None if neither tells.

    beta2_power is 0.999^(updates + 1), and underflows at 87,000 updates.

    Raises:
        RunError: if the two disagree.
    """
    named = re.search(r"-(\d+)$", path.name)
    counted = None
    if beta2_power is not None and 1e-37 < beta2_power < 1:
        counted = round(math.log(beta2_power) / math.log(BETA2)) - 1
    if named is None:
        return counted
    updates = int(named[1]) + UPDATES_IN_ITERATION[model]
    # A float32 product of n factors has a relative error of up to n · 6e-8, which is n · 6e-5 iterations in its logarithm.
    if counted is not None and abs(counted - updates) > 2 + updates * 1e-3:
        raise RunError(f"{path}: {updates} updates according to its name, but {counted} according to Adam's beta2_power")
    return updates


def name_of_2016(model: Model) -> str:
    """Return the file name that 2016's code would give a checkpoint of this model: model.ckpt-N.

    Raises:
        RunError: for a VAE without any update; 2016's code never saved one.
    """
    iteration = int(model.iterations) - UPDATES_IN_ITERATION[type(model)]
    if iteration < 0:
        raise RunError("2016's code saved a VAE only after an update. Received: a VAE without any")
    return f"model.ckpt-{iteration}"


def write_checkpoint(model: Model, path: Path) -> None:
    """Write a model and its Adam state as a 2016 checkpoint, with 2016's names and in TensorFlow 0.x's format."""
    tensors = {name: tf.convert_to_tensor(variable) for name, variable in model.variables_of_2016().items()}
    for name, (momentum, velocity) in slots(model).items():
        tensors |= {f"{name}/Adam": tf.convert_to_tensor(momentum), f"{name}/Adam_1": tf.convert_to_tensor(velocity)}
    power = float(model.optimizer.iterations) + 1
    tensors |= {"beta1_power": tf.constant(BETA1**power), "beta2_power": tf.constant(BETA2**power)}
    with written_anew(path) as new:
        tf.raw_ops.Save(filename=str(new), tensor_names=list(tensors), data=list(tensors.values()))
