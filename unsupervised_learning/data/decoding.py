"""Decodes pictures to arrays: TensorFlow decodes plain JPEG and PNG files, Pillow everything else."""

import functools
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, ImageOps

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")  # Pillow's names; it opens no others, some of which run programs
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
GREY = ((0.299,), (0.587,), (0.114,))  # brightness of red, green and blue (ITU-R BT.601); Pillow uses the same


class UnreadableError(Exception):
    """A picture cannot be decoded. The message is the reason, or empty if the file is damaged."""


@functools.cache
def decoder(side: int, crop: int | None, channels: int) -> Callable[[bytes], np.ndarray]:
    """Return a function that decodes a picture's bytes to uint8 [side, side, channels], or raises `UnreadableError`.

    The function may be called by several threads, inside `pillow_warnings`.

    Departs from 2016: antialiased, because pictures of any size are accepted and plain bilinear resizing skips pixels.

    Args:
        side: height and width of the result; the aspect ratio is not kept.
        crop: maximum height and width of the central part that is used; None for the whole picture.
        channels: 3 for colour, or 1 for grey.
    """
    import tensorflow as tf

    def resized(picture):
        if crop is not None:
            top, left = (tf.maximum(0, (length - crop) // 2) for length in tf.unstack(tf.shape(picture)[:2], 2))
            picture = picture[top : top + crop, left : left + crop]
        if channels == 1:
            picture = tf.tensordot(tf.cast(picture, tf.float32), tf.constant(GREY), 1)
        small = tf.image.resize(picture, [side, side], method="bilinear", antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(small), 0, 255), tf.uint8)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])  # takes half the time of eager execution
    def from_bytes(encoded):
        return resized(tf.io.decode_image(encoded, channels=3, expand_animations=False))

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])
    def from_pixels(pixels):
        return resized(pixels)

    def decode(encoded: bytes) -> np.ndarray:
        pixels = pixels_by_pillow(encoded)
        try:
            with tf.device("/CPU:0"):
                return (from_bytes(encoded) if pixels is None else from_pixels(pixels)).numpy()
        except tf.errors.OpError:
            raise UnreadableError from None

    return decode


@contextmanager
def pillow_warnings() -> Iterator[None]:
    """Make Pillow refuse pictures of more than `Image.MAX_IMAGE_PIXELS`, and be silent about odd metadata.

    By default it only warns about pictures of up to twice that size, which take gigabytes to decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def pixels_by_pillow(encoded: bytes) -> np.ndarray | None:
    """Return a picture's pixels, uint8 [height, width, 3], or None if TensorFlow decodes it: a plain JPEG or PNG.

    A picture is rotated as its EXIF orientation says, and laid on white where it is transparent. Of an animation or a file with
    several pages, the first picture is used.

    Raises:
        UnreadableError: the bytes are no picture in one of `FORMATS`, are damaged, or have too many or 32-bit pixels.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            rotated = orientation(image) != 1
            if image.format in ("JPEG", "MPO", "PNG") and not rotated and not image.has_transparency_data:
                return None
            image.load()
            return on_white(ImageOps.exif_transpose(image) if rotated else image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except UnreadableError:
        raise
    except Exception:  # Pillow raises many types for damaged files
        raise UnreadableError from None


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 … 8; 1 (upright) if there is none, or only a damaged one."""
    try:
        number = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata do not damage the picture
        return 1
    return number if number in range(2, 9) else 1


def on_white(image: Image.Image) -> np.ndarray:
    """Return the pixels of an image of any mode, uint8 [height, width, 3]; transparent ones are laid on white.

    Raises:
        UnreadableError: the pixels have 32 bits, of which none is known to be white.
    """
    if image.mode in ("I", "F"):
        raise UnreadableError("32-bit pixels")
    if image.mode.startswith("I;16"):  # Pillow would clip, not scale
        wide = np.asarray(image)
        grey = np.where(wide == image.info.get("transparency"), 255, wide >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), opaque)
    return np.asarray(image.convert("RGB"))
