"""The GANs' golden files: initial values, and comparison of the first gradients."""

import json

import numpy as np

from tests.golden.trajectories import GOLDEN_DIR, norm
from unsupervised_learning import layers
from unsupervised_learning.bases.image_model import arguments_of
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.original.runs import GAN

LOSSES = {  # 2016's tags → ours
    "Discriminator_loss_real": "discriminator_loss_real",
    "Discrimintator_loss_fake": "discriminator_loss_fake",
    "Discriminator_loss": "discriminator_loss",
    "Generator_loss": "generator_loss",
}
# Allowed relative error of a loss at each step. A direct port of the 2016 network comes no closer. Later steps are not
# informative, and are not compared.
TOLERANCES = {"flowers_gan": [3e-5, 1e-2, 3e-2], "mnist_gan": [3e-5] + 11 * [1e-2]}
# Biases before batch normalization: the normalization cancels them, so their gradient is only rounding error.
NO_GRADIENT = {
    "flowers_gan": {"generator/b_2", "generator/b_3", "generator/b_4"}
    | {f"discriminator/b_conv{number}" for number in (1, 2, 3)},
    "mnist_gan": {f"discriminator/b_conv{number}" for number in (0, 1, 2)},
}
OPTIONS = {"seed", "steps", "batch", "fresh_real"}
FILES = sorted(path for path in GOLDEN_DIR.glob("*.json") if json.loads(path.read_text()).get("case") in TOLERANCES)
FIRST_ATTEMPTS = [path for path in FILES if json.loads(path.read_text())["case"] == "mnist_gan"]


def first_attempt_settings() -> dict:
    return {name: value for name, value in GAN["first_attempt"].items() if name in arguments_of(DCGAN)}


def build_model(golden: dict) -> DCGAN:
    if golden["case"] == "flowers_gan":
        fresh = golden["options"].get("fresh_real") == "true"
        model = DCGAN(side=64, channels=3, real_batches="fresh" if fresh else "shared")
    else:
        model = DCGAN(side=28, channels=1, recipe="first_attempt", **first_attempt_settings())
    model.compile(layers.adam(2e-4, beta1=0.5), layers.adam(2e-4, beta1=0.5))
    return model


def start(golden: dict, seed: int, model: DCGAN) -> None:
    variables = model.variables_of_2016()
    assert list(variables) == [record["name"] for record in golden["variables"]]
    for i, (record, variable) in enumerate(zip(golden["variables"], variables.values(), strict=True)):
        assert record["shape"] == list(variable.shape)
        value = np.random.RandomState(seed * 10000 + 1000 + i).standard_normal(record["shape"])
        value *= 0.02 if value.ndim > 1 or record["name"].endswith("gamma") else 0.01
        variable.assign((value + record["name"].endswith("gamma")).astype(np.float32))
        np.testing.assert_allclose(norm(variable), record["initial"]["l2"], rtol=1e-6)


def compare_gradients(golden: dict, gradients: dict, without: set[str]) -> None:
    """Compare norms to 1e-3, and the first and last values, which test the direction. Gradients in `without` must be tiny."""
    assert golden.keys() == gradients.keys()
    for name, record in golden.items():
        if name in without:
            assert max(record["l2"], norm(gradients[name])) < 1e-3, name
            continue
        if record["l2"] >= 1e-2:
            np.testing.assert_allclose(norm(gradients[name]), record["l2"], rtol=1e-3, err_msg=name)
        scale = record["l2"] / np.sqrt(record["size"])
        for values, expected in (
            (np.ravel(gradients[name])[:4], record["head"]),
            (np.ravel(gradients[name])[-4:], record["tail"]),
        ):
            np.testing.assert_allclose(values, expected, rtol=1e-2, atol=2e-2 * scale, err_msg=name)
