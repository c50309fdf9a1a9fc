"""Training follows the trajectory of the 2016 code, number by number.

Each JSON file in GOLDEN_DIR (default: tests/golden) records a run of the author's network, losses and updates under
TensorFlow 0.12, with the options that the file names. `start` and `inputs` in golden/trajectories.py make the same initial
values and inputs again; here they go through this project's own models and training code.
"""

import json

import numpy as np
import pytest

from tests.golden.trajectories import FILES, GOLDEN_DIR, build_model, norm, read, run, start


def test_golden_dir_contains_trajectories():
    assert {json.loads(path.read_text())["case"] for path in FILES}, f"no autoencoder or VAE trajectory in {GOLDEN_DIR}"


@pytest.mark.parametrize("jit_compile", [pytest.param(False, id="graph"), pytest.param(True, id="xla", marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_training_follows_2016(path, jit_compile):
    golden = read(path)
    model = build_model(golden)
    start(golden, model)
    trajectory = run(golden, model, jit_compile)

    for tag, values in golden["losses"].items():
        tolerance = 1e-4 if tag == "KL_Divergence" else 5e-6
        np.testing.assert_allclose(trajectory[tag], values, rtol=tolerance, err_msg=tag)
    for record, variable in zip(golden["variables"], model.variables_of_2016().values(), strict=True):
        np.testing.assert_allclose(norm(variable), record["final"]["l2"], rtol=2e-5, err_msg=record["name"])
        first = np.ravel(variable)[: len(record["final"]["head"])]  # atol: a tenth of an Adam step; checks the order too
        np.testing.assert_allclose(first, record["final"]["head"], atol=1e-4, err_msg=record["name"])
    compare_probe(golden, model)


def compare_probe(golden: dict, model) -> None:
    """Compare the trained network on new inputs."""
    images = np.random.RandomState(golden["seed"] * 10000 + 8).uniform(size=(4, 784)).astype(np.float64) ** 4
    probe = golden["probe"]
    if golden["case"] == "ae":
        code = model.encoder(images.astype(np.float32))
        np.testing.assert_allclose(code, probe["code"], rtol=1e-4, atol=1e-5)
        compare_summary(model.decoder(code), probe["output"])
    else:
        mu, log_var = model.encoder(images.astype(np.float32))
        np.testing.assert_allclose(mu, probe["mu"], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(log_var, probe["log_var"], rtol=1e-4, atol=1e-4)
        latent = np.random.RandomState(golden["seed"] * 10000 + 9).standard_normal((4, model.z_dim))
        compare_summary(model.decoder(latent.astype(np.float32)), probe["decoded_logits"])


def compare_summary(values, summary: dict) -> None:
    flat = np.asarray(values, np.float64).ravel()
    assert flat.size == summary["size"]
    np.testing.assert_allclose(np.linalg.norm(flat), summary["l2"], rtol=2e-5)
    np.testing.assert_allclose(flat.sum(), summary["sum"], rtol=1e-4)
    np.testing.assert_allclose(flat[: len(summary["head"])], summary["head"], rtol=1e-4, atol=1e-5)
