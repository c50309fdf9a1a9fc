"""The autoencoder's and the VAE's golden files: read them, and train from their initial values and inputs."""

import json
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from unsupervised_learning import layers
from unsupervised_learning.autoencoder import AutoEncoder
from unsupervised_learning.vae import VariationalAutoEncoder

GOLDEN_DIR = Path(os.environ.get("GOLDEN_DIR") or Path(__file__).parent)
LOSSES = {  # 2016's tags → ours
    "ae": {"Loss": "loss", "Encoder_loss": "reconstruction", "Reg_loss": "regularization"},
    "vae": {
        "total_loss": "loss",
        "Entropy_loss": "reconstruction",
        "KL_Divergence": "kl",
        "Reg_loss": "regularization",
    },
}
OPTIONS = {"seed", "batch", "steps", "regularization", "activation", "z_dim", "relu_heads"}


def read(path: Path) -> dict:
    golden = json.loads(path.read_text())
    unknown = set(golden["options"]) - OPTIONS
    assert not unknown, f"{path}: unknown options: {sorted(unknown)}"
    golden["seed"] = int(golden["options"].get("seed", golden["seed"]))
    return golden


FILES = sorted(path for path in GOLDEN_DIR.glob("*.json") if json.loads(path.read_text()).get("case") in LOSSES)


def build_model(golden: dict) -> AutoEncoder | VariationalAutoEncoder:
    options = golden["options"]
    settings: dict = {}
    for name, convert in (("regularization", float), ("z_dim", int), ("activation", str)):
        if name in options:
            settings[name] = convert(options[name])
    if golden["case"] == "vae":
        settings["relu_heads"] = bool(int(options.get("relu_heads", 0)))
        model = VariationalAutoEncoder(**settings)
    else:
        model = AutoEncoder(**settings)
    model.compile(optimizer=layers.adam())
    return model


def start(golden: dict, model) -> None:
    """Set each variable to its initial value, and check it against the file's norm."""
    variables = model.variables_of_2016()
    assert list(variables) == [record["name"] for record in golden["variables"]]
    for i, (record, variable) in enumerate(zip(golden["variables"], variables.values(), strict=True)):
        assert record["shape"] == list(variable.shape)
        normal = np.random.RandomState(golden["seed"] * 10000 + 1000 + i).standard_normal(record["shape"])
        variable.assign((normal * (0.1 if normal.ndim > 1 else 0.01)).astype(np.float32))
        np.testing.assert_allclose(norm(variable), record["initial"]["l2"], rtol=1e-6)


def inputs(golden: dict, z_dim: int):
    """Yield the images of each step, and the noise for the VAE, else None."""
    batch = int(golden["options"].get("batch", 32))
    random = np.random.RandomState(golden["seed"] * 10000 + 7)
    for _ in range(golden["steps"]):
        images = random.uniform(size=(batch, 784)) ** 4
        noise = random.standard_normal((batch, z_dim)) if golden["case"] == "vae" else None
        yield images.astype(np.float32), None if noise is None else noise.astype(np.float32)


def norm(variable) -> float:
    return float(np.linalg.norm(np.asarray(variable, np.float64)))


def run(golden: dict, model, jit_compile: bool) -> dict[str, list[float]]:
    """Train for the file's number of steps; returns the losses before each update, by 2016's tags."""
    if golden["case"] == "vae":
        step = tf.function(model.update, jit_compile=jit_compile)
    else:
        step = tf.function(model.train_step, jit_compile=jit_compile)
    trajectory: dict[str, list[float]] = {tag: [] for tag in LOSSES[golden["case"]]}
    for images, noise in inputs(golden, model.z_dim):
        model.reset_metrics()
        losses = step(images) if noise is None else step(images, noise)
        for tag, name in LOSSES[golden["case"]].items():
            trajectory[tag].append(float(losses[name]))
    return trajectory
