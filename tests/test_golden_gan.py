"""Training of the GANs follows the trajectory of the 2016 code as far as float32 permits: GANs are chaotic.

Like tests/test_golden.py, for the JSON files of the two GANs: `flowers_gan` is the 64×64 DCGAN, `mnist_gan` the first attempt.
With the option `fresh_real`, each update has its own real images.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.golden.gan_trajectories import FILES, LOSSES, NO_GRADIENT, OPTIONS, TOLERANCES, build_model, compare_gradients, start
from tests.golden.trajectories import GOLDEN_DIR
from unsupervised_learning.evaluation import gan_diagnostics

# Tighter, to detect shared real images or swapped generator batches, which change the second step by 1e-2.
FRESH_TOLERANCES = [3e-5, 3e-3, 3e-2]


def test_golden_dir_contains_gan_trajectories():
    assert FILES, f"no GAN trajectory in {GOLDEN_DIR}"


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_training_follows_2016(path: Path):
    golden = json.loads(path.read_text())
    case, options = golden["case"], golden["options"]
    assert set(options) <= OPTIONS, f"{path}: options that this test does not know: {sorted(set(options) - OPTIONS)}"
    seed, batch = int(options.get("seed", golden["seed"])), int(options.get("batch", 8))
    model = build_model(golden)
    start(golden, seed, model)
    trace, update = tf.function(partial(gan_diagnostics.trace, model)), tf.function(model.update)

    random = np.random.RandomState(seed * 10000 + 7)
    tolerances = FRESH_TOLERANCES if model.real_batches == "fresh" else TOLERANCES[case]
    for step, tolerance in zip(range(golden["steps"]), tolerances, strict=False):
        shape = (batch, model.side, model.side, model.channels)
        images = random.uniform(-1, 1, shape) if case == "flowers_gan" else random.uniform(size=shape)
        latent = random.uniform(-1, 1, (batch, 100)).astype(np.float32)
        more = [random.uniform(-1, 1, shape) for _ in range(model.batches_each_iteration - 1)]
        images = images.astype(np.float32)
        before = trace(images, latent)
        if step == 0:
            compare_gradients(golden["first_step_gradients"], before.gradients, NO_GRADIENT[case])
        for tag, name in LOSSES.items():
            np.testing.assert_allclose(
                before.losses[name], golden["losses"][tag][step], rtol=tolerance, err_msg=f"{tag} {step}"
            )
        interleaved = np.stack([images, *more], axis=1).reshape(-1, *shape[1:]).astype(np.float32)
        update(interleaved, latent)
