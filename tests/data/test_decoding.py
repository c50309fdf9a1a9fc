"""decoding.py: what becomes of pictures of each format, orientation, transparency and depth."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image

from unsupervised_learning.data import decoding


def decoded(content):
    """Decode a picture of 64×64 pixels, which needs no resizing."""
    with decoding.pillow_warnings():
        return decoding.decoder(64, None, 3)(content)


LEFT_RED = np.zeros((64, 64, 3), np.uint8)
LEFT_RED[:, :32, 0] = LEFT_RED[:32, 32:, 2] = 255  # left red, top right blue, bottom right black: no symmetry


def saved(image, kind, **options):
    """Encode a Pillow image or an array."""
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        saved(LEFT_RED, "BMP"),
        saved(LEFT_RED, "GIF", save_all=True, append_images=[Image.new("RGB", (64, 64), "green")]),
        saved(LEFT_RED, "WEBP", lossless=True, save_all=True, append_images=[Image.new("RGB", (64, 64), "green")]),
        saved(LEFT_RED, "TIFF", save_all=True, append_images=[Image.new("RGB", (64, 64), "green")]),
        saved(LEFT_RED, "PNG"),
        saved(Image.fromarray(LEFT_RED).quantize(4), "PNG"),
        saved(Image.fromarray(LEFT_RED).convert("CMYK"), "TIFF"),
    ],
    ids=["bmp", "gif", "webp", "tiff", "png", "palette", "cmyk"],
)
def test_every_format(content):
    np.testing.assert_array_equal(decoded(content), LEFT_RED)


STORED = {  # EXIF orientation → the pixels as a camera stores them, from the upright picture
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: np.rot90,
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("number", STORED)
def test_exif_orientation(kind, number):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    lossless = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    content = saved(np.ascontiguousarray(STORED[number](LEFT_RED)), kind, exif=exif, **lossless)
    difference = np.abs(decoded(content).astype(int) - LEFT_RED)
    assert difference.mean() < (1 if kind == "JPEG" else 1e-9)


@pytest.mark.parametrize("number", [0, 9, 77])
def test_an_unknown_orientation_changes_nothing(number):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    content = saved(LEFT_RED, "JPEG", exif=exif)
    np.testing.assert_array_equal(decoded(content), tf.io.decode_jpeg(content).numpy())


def test_damaged_metadata_do_not_damage_the_picture():
    content = saved(LEFT_RED, "JPEG", exif=b"Exif\0\0MM\0*nonsense")
    np.testing.assert_array_equal(decoded(content), tf.io.decode_jpeg(content).numpy())


def clear(mode, **info):
    """Return an image of which the left half is transparent, hiding a colour, and the right half is not."""
    image = Image.new(mode, (64, 64), info.pop("right"))
    image.paste(info.pop("left"), (0, 0, 32, 64))
    return image


@pytest.mark.parametrize(
    "content",
    [
        saved(clear("RGBA", left=(9, 99, 9, 0), right=(80, 80, 80, 255)), "PNG"),
        saved(clear("LA", left=(9, 0), right=(80, 255)), "PNG"),
        saved(clear("L", left=9, right=80), "PNG", transparency=9),
        saved(clear("RGB", left=(9, 8, 7), right=(80, 80, 80)), "PNG", transparency=(9, 8, 7)),
        saved(clear("L", left=9, right=80).convert("P"), "PNG", transparency=9),
        saved(clear("L", left=9, right=80).convert("P"), "PNG", transparency=bytes([255] * 9 + [0] + [255] * 246)),
        saved(clear("L", left=9, right=80).convert("P"), "GIF", transparency=9),
        saved(clear("I;16", left=9 * 257, right=80 * 257), "PNG", transparency=9 * 257),
        saved(clear("RGBA", left=(9, 99, 9, 0), right=(80, 80, 80, 255)), "WEBP", lossless=True),
        saved(clear("RGBA", left=(9, 99, 9, 0), right=(80, 80, 80, 255)), "TIFF"),
    ],
    ids=["rgba", "la", "grey key", "colour key", "palette key", "palette alpha", "gif", "16 bits key", "webp", "tiff"],
)
def test_transparent_pixels_are_white(content):
    picture = decoded(content)
    assert (picture[:, :32] == 255).all()
    assert (picture[:, 32:] == 80).all()


def test_plain_pictures_keep_the_pixels_that_tensorflow_decodes():
    """The flowers' reference run depends on it."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for quality in (30, 95):
        content = saved(noise, "JPEG", quality=quality, progressive=quality == 30)
        np.testing.assert_array_equal(decoded(content), tf.io.decode_jpeg(content).numpy())
    cmyk = saved(Image.fromarray(noise).convert("CMYK"), "JPEG")
    np.testing.assert_array_equal(decoded(cmyk), tf.io.decode_image(cmyk, channels=3).numpy())


def test_16_bits_are_scaled_not_clipped():
    wide = np.full((64, 64), 80 * 257, np.uint16)
    for kind in ("PNG", "TIFF"):
        assert (decoded(saved(wide, kind)) == 80).all()
