"""Settings shared by the contestants: network shapes, loss weights, batch sizes, and images of random bytes."""

from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parent.parent
BATCH_SIZE = {"autoencoder": 256, "vae": 256, "gan28": 64, "gan64": 64}
PARAMETERS = {"autoencoder": 84_687, "vae": 84_840, "gan28": 2_471_298, "gan64": 9_451_908}  # same as 2016, except gan28
# Autoencoder and VAE: 784-50-50-3-50-50-784.
DENSE = {"autoencoder": "tanh", "vae": "relu"}  # the activation of the hidden layers
CODE = {"autoencoder": 3, "vae": 6}  # encoder outputs: mu and log_var in one layer, as in the libraries' examples
REGULARIZATION = {"autoencoder": 1e-4, "vae": 1e-5}  # weight of the L2 term over all weights and biases
# GAN: sides and channels of the generator's layers; reversed for the discriminator.
SIDES = {64: (4, 8, 16, 32, 64), 28: (4, 7, 14, 28)}
WIDTHS = {64: (512, 256, 128, 64), 28: (256, 128, 64)}
Z_DIM = 100
DIGITS, TEST_DIGITS, PICTURES = 60_000, 10_000, 3_670


def random_bytes(shape: tuple[int, ...]) -> np.ndarray:
    """Return random bytes, three quarters of them zero."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, shape, np.uint8)
    for image in images:  # one by one, because memory is measured
        image[random.random(image.shape, np.float32) < 0.75] = 0
    return images


def training_images(model: str, folder: Path) -> np.ndarray:
    """Load uint8 [n, side, side, channels] written by `write_data`."""
    return np.load(folder / ("pictures.npy" if model == "gan64" else "digits.npy"), allow_pickle=False)


def write_data(folder: Path, pictures: bool = True) -> None:
    """Write the images as arrays for the other libraries, and as MNIST's four files and a folder of PNGs for our scripts."""
    import gzip
    import struct

    from PIL import Image

    digits = random_bytes((DIGITS + TEST_DIGITS, 28, 28, 1))
    np.save(folder / "digits.npy", digits[: DIGITS - 5_000])  # 5,000 are reserved for validation
    labels = np.random.default_rng(1).integers(0, 10, len(digits), np.uint8)
    (folder / "idx").mkdir()
    for part, chosen in (("train", slice(DIGITS)), ("t10k", slice(DIGITS, None))):
        images = digits[chosen]
        for kind, head, body in (
            ("images-idx3", (2051, len(images), 28, 28), images),
            ("labels-idx1", (2049, len(images)), labels[chosen]),
        ):
            content = struct.pack(f">{len(head)}I", *head) + body.tobytes()
            (folder / "idx" / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(content, 1))
    if not pictures:
        return
    (folder / "pictures").mkdir()
    drawn = random_bytes((PICTURES, 64, 64, 3))
    np.save(folder / "pictures.npy", drawn)
    for number, picture in enumerate(drawn):
        Image.fromarray(picture).save(folder / "pictures" / f"{number}.png", compress_level=1)
