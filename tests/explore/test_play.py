"""What Python embeds for the interactive part: weights, snapshots, the generator with its normalization folded in."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.support import write_finished_run
from unsupervised_learning.explore import embedded, gan_play, play
from unsupervised_learning.explore.subject import Sizes, Subject
from unsupervised_learning.gan import DCGAN
from unsupervised_learning.training import finished_run
from unsupervised_learning.vae import VariationalAutoEncoder


def unpacked(text: str, dtype: type[np.floating]) -> np.ndarray:
    """The values that `embedded.packed` wrote, [n]."""
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<"))


def test_weights_come_back_as_they_were():
    arrays = [np.random.default_rng(0).normal(size=shape).astype(np.float32) for shape in ((3, 4), (4,))]
    flat = np.concatenate([array.ravel() for array in arrays])
    np.testing.assert_array_equal(unpacked(embedded.packed(arrays, np.float32), np.float32), flat)
    halves = unpacked(embedded.packed(arrays, np.float16), np.float16)
    np.testing.assert_array_equal(halves, flat.astype(np.float16))


def test_images_come_back_exactly():
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28)).astype(np.uint8)
    sheet = embedded.sheet(images)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["sprite"].split(",")[1]))).convert("L"))
    for number, image in enumerate(images):
        row, column = divmod(number, sheet["columns"])
        np.testing.assert_array_equal(pixels[28 * row : 28 * row + 28, 28 * column : 28 * column + 28], image)


def test_a_model_is_embedded_with_what_keras_computes(idx_dir, tmp_path):
    network = VariationalAutoEncoder(z_dim=5, init_stddev=0.2)
    run = finished_run.read(write_finished_run(tmp_path / "run", network, idx_dir))
    subject = Subject(run, run.model(), run.dataset(), 0, Sizes((1,), 10, 10, None))
    content = play.model(subject, 10**6)
    weights = unpacked(content["weights"], np.float32)
    assert weights.size == sum(int(np.prod(shape)) for shape in content["shapes"]) == network.count_params()
    codes = unpacked(content["check"]["codes"], np.float32).reshape(2, 50, 5)
    np.testing.assert_allclose(codes, [head[:50] for head in subject.posterior], atol=1e-5)
    directions = np.array(content["projection"]["directions"])
    np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-6)
    assert content["form"] == "VAE, fixed form"


@pytest.mark.parametrize(("most", "kept"), [(10_000, [0, 10, 20, 30]), (48, [0, 30]), (0, [])])
def test_snapshots_are_thinned_evenly_to_fit(most, kept):
    taken = {iteration: {"W": np.zeros(8, np.float16)} for iteration in (0, 10, 20, 30)}
    assert [one["iteration"] for one in play.thinned(taken, most)] == kept
    assert play.thinned({}, most) == []


@pytest.mark.parametrize("recipe", ["dcgan", "first_attempt"])
def test_the_folded_dense_layer_equals_keras_layers(recipe):
    model = DCGAN(z_dim=7, recipe=recipe)
    random = np.random.default_rng(0)
    for variable in model.generator.non_trainable_variables:
        variable.assign(random.uniform(0.5, 1, variable.shape))
    layers, arrays = gan_play.folded(model.generator)
    assert [layer["activation"] for layer in layers] == ["relu", "relu", "relu", model.form.output]
    z = random.uniform(-1, 1, (3, 7)).astype(np.float32)
    expected = z
    for layer in model.generator.layers[1:]:
        if layer.name.startswith("deconv"):
            break
        expected = layer(expected)
    folded = np.maximum(z @ arrays[0] + arrays[1], 0)
    np.testing.assert_allclose(folded, np.asarray(expected).reshape(3, -1), atol=1e-5)


def test_frames_of_training_are_thinned(monkeypatch):
    grids = dict.fromkeys(range(40), b"png")
    frames = gan_play.frames(grids)
    assert len(frames) == gan_play.MOST_FRAMES
    assert [frames[0]["iteration"], frames[-1]["iteration"]] == [0, 39]
    assert gan_play.frames({}) == []
