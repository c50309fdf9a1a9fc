"""Baseline: only the matrix products of an iteration, one after another in NumPy. A convolution counts as one product."""

from pathlib import Path

import numpy as np

from benchmarks.shapes import BATCH_SIZE, CODE, SIDES, WIDTHS, Z_DIM

Product = tuple[int, int, int]  # [m, k] × [k, n]


def of_layer(rows: int, inputs: int, outputs: int) -> tuple[Product, Product, Product]:
    """Return the products of a layer: its output, the gradient of its weights, and the gradient of its input."""
    return (rows, inputs, outputs), (inputs, rows, outputs), (rows, outputs, inputs)


def dense_products(model: str) -> list[Product]:
    sizes = ((784, 50), (50, 50), (50, CODE[model]), (3, 50), (50, 50), (50, 784))
    products = [product for size in sizes for product in of_layer(BATCH_SIZE[model], *size)]
    products.pop(2)  # the gradient of the images is not needed
    return products


def gan_products(model: str) -> list[Product]:
    """Return the products of an iteration without redundant work: 2 forward and 2 backward passes of the generator, and for
    the discriminator 5 forward passes, 2 backward passes for its weights and 2 for the images only."""
    side, batch = (64, 64) if model == "gan64" else (28, 64)
    sides, widths, channels = SIDES[side], WIDTHS[side], 3 if side == 64 else 1
    products: list[Product] = []
    forward, of_weights, of_input = of_layer(batch, Z_DIM, 16 * widths[0])
    products += 2 * [forward, of_weights]
    for before, width, after in zip(sides, widths, (*widths[1:], channels), strict=False):
        forward, of_weights, of_input = of_layer(batch * before**2, width, 25 * after)  # 25 outputs per pixel: the 5×5 kernel
        products += 2 * [forward, of_weights, of_input]
    for number, (after, width) in enumerate(zip(reversed(sides[:-1]), reversed(widths), strict=True)):
        inputs = channels if number == 0 else tuple(reversed(widths))[number - 1]
        forward, of_weights, of_input = of_layer(batch * after**2, 25 * inputs, width)
        products += 5 * [forward] + 2 * [of_weights] + (4 if number else 2) * [of_input]
    forward, of_weights, of_input = of_layer(batch, 16 * widths[0], 1)
    return products + 5 * [forward] + 2 * [of_weights] + 4 * [of_input]


def train(model: str, variant: str, turns, folder: Path) -> None:
    products = gan_products(model) if model.startswith("gan") else dense_products(model)
    random, factors = np.random.default_rng(0), {}
    for m, k, n in products:
        for shape in ((m, k), (k, n)):
            if shape not in factors:
                factors[shape] = random.standard_normal(shape, np.float32)
    outputs = {(m, n): np.empty((m, n), np.float32) for m, _, n in products}
    while True:
        for m, k, n in products:
            np.matmul(factors[m, k], factors[k, n], out=outputs[m, n])
        turns.done(1)
