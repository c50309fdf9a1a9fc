"""The parts that evaluate a GAN, with explanations for readers new to GANs."""

import math

import numpy as np

from unsupervised_learning.evaluation import latent_draws
from unsupervised_learning.explore import latent_parts, latent_plots, measure_plots
from unsupervised_learning.explore.subject import GAN, Found, Json, Part, Picture, Row, Subject
from unsupervised_learning.figures import plots
from unsupervised_learning.monitoring import gan
from unsupervised_learning.monitoring.event_files import pictures_logged
from unsupervised_learning.monitoring.samples import GRID
from unsupervised_learning.monitoring.tags import FIXED_GRID

GRADIENTS = "gradient_norm_"
NEIGHBOURS_SHOWN = 10
USUAL = 2_000  # number of z drawn to measure how far z usually lie from the origin
STARTS, ENDS, TYPICAL = range(10, 13)  # purposes of random numbers; different from those of `latent_parts` and `vae_parts`


def samples(subject: Subject) -> Found:
    """Images of random z, and of fixed z during training."""
    made = subject.model.sample(GRID, seed=subject.seed)
    pictures = [Picture("samples", "64 images of random z, not selected.", plots.image_grid(made, "Images from z ~ U(−1, 1)"))]
    grids = pictures_logged(subject.run.path, FIXED_GRID)
    if len(grids) > 1:
        figure = gan.through_training(grids, subject.model.side)
        pictures.append(Picture("through_training", "Images of the same z at several iterations of training.", figure))
    return Found({}, pictures)


def walk(subject: Subject) -> Found:
    """Walks along the dimensions of z that 2016 used: 25, 50 and 75, counted from 0."""
    latents = latent_draws.of_gan(6, subject.model.z_dim, subject.random(STARTS))
    chosen = [dimension for dimension in (25, 50, 75) if dimension < subject.model.z_dim] or [0]
    figures = {dimension: gan.walk(subject.model, latents, dimension) for dimension in chosen}
    pictures = [
        Picture(f"walk_{dimension}", f"z{dimension + 1} varies ({dimension} counted from 0); the others stay fixed.", figure)
        for dimension, figure in figures.items()
    ]
    return Found({"dimensions": [dimension + 1 for dimension in chosen]}, pictures)


def interpolation(subject: Subject) -> Found:
    """Straight lines and arcs between random z."""
    shape = (latent_parts.PAIRS, subject.model.z_dim)
    start, end = (subject.random(purpose).uniform(-1, 1, shape) for purpose in (STARTS, ENDS))
    return latent_parts.between(subject, start, end, subject.random(TYPICAL).uniform(-1, 1, (USUAL, shape[1])))


def health(subject: Subject) -> Found:
    """The discriminator's probabilities, and its loss and gradients during training."""
    numbers, arrays = subject.gan_report
    named = {"training images": "train", "test images": "test", "generated": "samples"}
    probabilities = {name: arrays[f"probability_{key}"] for name, key in named.items() if f"probability_{key}" in arrays}
    figure = measure_plots.histograms(
        probabilities, "How real the discriminator finds the images", "D's probability that the image is real", (0, 1)
    )
    pictures = [Picture("discriminator", "At the end of training.", figure)]
    if "discriminator_loss" in arrays:
        course = {"discriminator loss": dict(arrays["discriminator_loss"])}
        title = "The discriminator's loss during training"
        figure = measure_plots.courses(course, title, "nats", level=2 * math.log(2), at="2 ln 2: neither network wins")
        pictures.append(Picture("discriminator_loss", "As logged during training.", figure))
    norms = {key.removeprefix(GRADIENTS): dict(values) for key, values in arrays.items() if key.startswith(GRADIENTS)}
    if norms:
        figure = measure_plots.courses(norms, "Gradients of the networks' first layers", "norm", log=True)
        pictures.append(Picture("gradient_norms", "The author of 2016 judged training by these. Logarithmic scale.", figure))
    means = {name: float(np.mean(values)) for name, values in probabilities.items()}
    rows = [
        Row(f"D's mean probability, {name}", f"{mean:.3f}", "0.5 if neither wins", "How real D finds these images.")
        for name, mean in means.items()
    ]
    near_zero = numbers["discriminator_loss_near_zero"]
    if near_zero:
        rows.append(
            Row(
                "loss near zero",
                f"{near_zero['share']:.1%}",
                f"of {near_zero['logged']:,} logged",
                f"Share of iterations with D's loss below {near_zero['threshold']}; in 2016 the sign of a failed run.",
            )
        )
    kept = ("discriminator", "first_layer_gradient_norms", "discriminator_loss_near_zero")
    summary = "; ".join(f"{name}: {mean:.2f}" for name, mean in means.items())
    return Found({key: numbers[key] for key in kept}, pictures, f"D's mean probabilities are: {summary}.", tuple(rows))


def classes(subject: Subject) -> Found:
    """The digits that a classifier recognises in the images."""
    numbers, arrays = subject.gan_report
    labels = numbers["labels"]
    shares = {"generated": arrays["label_shares_samples"], "real": arrays["label_shares_real"]}
    figure = measure_plots.beside_bars(shares, "Digits recognised by the classifier", "share of the images", 0.1)
    off = labels["total_variation_from_uniform"]
    rows = (
        Row(
            "distance from uniform",
            f"{off['samples']:.3f}",
            f"real {off['real']:.3f}",
            "Share of images that would have to change to another digit to make all ten equally frequent.",
        ),
        Row(
            "confidence",
            f"{labels['confidence']['samples']:.3f}",
            f"real {labels['confidence']['real']:.3f}",
            "Mean probability of the digit that the classifier chooses; low if images resemble no digit.",
        ),
        Row(
            "classifier score",
            f"{labels['classifier_score']['samples']:.2f}",
            f"real {labels['classifier_score']['real']:.2f}, at most 10",
            "The Inception score with this classifier; high if images are clear and all digits occur.",
        ),
    )
    kinds = int(np.sum(arrays["label_shares_samples"] > 0.01))
    accuracy = numbers["classifier"]["test_accuracy"]
    summary = f"{kinds} of 10 digits occur in more than 1% of the images. The classifier's test accuracy is {accuracy:.2%}."
    picture = Picture("classes", "Dashed line: all ten digits equally frequent.", figure)
    return Found({"labels": labels, "classifier": numbers["classifier"]}, [picture], summary, rows)


def quality(subject: Subject) -> Found:
    """Distances between generated and real images."""
    numbers, _ = subject.gan_report
    rows = [row for name, space in numbers["spaces"].items() for row in space_rows(name, space)]
    diversity = numbers["diversity"]
    rows.append(
        Row(
            "diversity",
            f"{diversity['samples']:.2f}",
            f"real {diversity['real']:.2f}",
            "Mean distance between two images, in pixels; near zero if all images are the same.",
        )
    )
    kept = ("samples", "spaces", "diversity", "left_out")
    count = f"{numbers['samples']:,}"
    summary = f"{count} generated images and {count} real ones (“real”) are each compared with {count} other real images."
    return Found({key: numbers[key] for key in kept}, [], summary, tuple(rows))


def space_rows(name: str, space: Json) -> list[Row]:
    """The measures of one space of features."""
    space_name = name.replace("pixel_pca", "pixels")
    frechet, kernel = space["frechet"], space["kernel"]
    rows = [
        Row(
            f"Fréchet distance, {space_name}",
            f"{frechet['samples']:.3g}",
            f"real {frechet['real']:.3g}",
            f"Distance between normal distributions fitted to both. Features: {space['what']}. Not the published FID.",
        ),
        Row(
            f"kernel distance, {space_name}",
            f"{kernel['samples']['mean']:.3g}",
            f"real {kernel['real']['mean']:.2g}".replace("-", "−"),
            "KID in the same features; 0 if both have the same distribution, slightly negative values occur by chance.",
        ),
    ]
    readings = {
        "precision": "Share of generated images that lie among real ones: are they realistic?",
        "recall": "Share of real images that lie among generated ones: do all kinds occur?",
        "density": "Like precision, but weighted by the number of real images nearby; may exceed 1.",
        "coverage": "Share of real images with a generated image nearby.",
    }
    return rows + [
        Row(f"{measure}, {space_name}", f"{space[measure]['samples']:.3f}", f"real {space[measure]['real']:.3f}", reading)
        for measure, reading in readings.items()
        if space[measure]
    ]


def neighbours(subject: Subject) -> Found:
    """The nearest training images to generated ones."""
    numbers, arrays = subject.gan_report
    found = numbers["nearest_training_image"]
    pictures, rows = [], []
    for space, of in found.items():
        if space == "samples":
            continue
        shown = min(len(arrays["samples"]), len(arrays[f"nearest_{space}"]))
        distances = arrays[f"nearest_distance_{space}"][:shown]
        chosen = np.argsort(distances, kind="stable")[:NEIGHBOURS_SHOWN]  # the most likely copies
        nearest = subject.dataset.train.images[arrays[f"nearest_{space}"][chosen]]
        where = "pixels" if space == "pixels" else f"features of the {space}"
        figure = latent_plots.nearest_neighbours(
            arrays["samples"][chosen],
            nearest,
            distances[chosen],
            f"Generated images and their nearest training images, by {where}",
        )
        caption = f"The {len(chosen)} of {shown} generated images that are nearest to a training image."
        pictures.append(Picture(f"neighbours_{space}", caption, figure))
        rows += [
            Row(
                f"distance ratio, {space}",
                "–" if of["ratio"] is None else f"{of['ratio']:.2f}",
                "1",
                "Median distance to the nearest training image, divided by that of held-out real images: 0 for copies, 1 for "
                "new images as good as real ones.",
            ),
            Row(f"copies, {space}", f"{of['copies']:.1%}", "1%", "Share nearer to a training image than 99% of real images."),
        ]
    copies = found["pixels"]["copies"]
    summary = f"In pixels, {copies:.1%} of the generated images are nearer to a training image than 99% of real images are."
    return Found(found, pictures, summary, tuple(rows))


PARTS = (
    Part(
        "samples",
        "Generated images",
        "The generator turns random numbers, z, into an image: 100 of them in 2016. It has never seen a real image. It learnt "
        "only from a second network, the discriminator, which had to tell real images from generated ones.",
        "Judge each image as handwriting or as a photograph. Then look for repetition in the whole grid.",
        "Good: clear and varied images. Bad: noise, or the same image again and again (“mode collapse”).",
        (GAN,),
        samples,
    ),
    Part(
        "walk",
        "What one number does",
        "One of the numbers in z goes from −1 to 1 while the others stay fixed. Each row is one z.",
        "Follow a row from left to right. The more numbers there are, the less each changes. The author of 2016 showed the "
        "dimensions 25, 50 and 75, counted from 0, of 100.",
        "Good: small, smooth changes. Bad: no change, or sudden jumps.",
        (GAN,),
        walk,
    ),
    Part(
        "interpolation",
        "From one image to another",
        "Images between one random z and another: on a straight line, and on an arc around the origin (“slerp”).",
        "In many dimensions all random z have nearly the same distance from the origin (the grey band). The straight line "
        "dips below the band; the arc stays within it.",
        "Good: every step is a plausible image. Bad: blurred or odd images halfway along the straight line, or a sudden "
        "jump: the generator has memorised images and not learnt what lies between them.",
        (GAN,),
        interpolation,
    ),
    Part(
        "health",
        "Was the contest balanced?",
        "The discriminator gives the probability that an image is real: here for images that it was trained on, for test "
        "images, and for generated ones. Below: its loss and the size of the gradients during training.",
        "If neither network wins, all probabilities are around one half and the loss is 1.386. If training images get higher "
        "probabilities than test images, the discriminator has memorised them.",
        "Good: overlapping histograms. Bad: real images at 1 and generated ones at 0, with a loss near zero; the generator "
        "then learns nothing.",
        (GAN,),
        health,
    ),
    Part(
        "classes",
        "Do all ten digits occur?",
        "A small classifier, trained by this project on the real images, assigns a digit to each image.",
        "Compare the bars with those of real images. The classifier always chooses a digit, even if an image shows none.",
        "Good: bars of equal height. Bad: missing digits. The generator dropped them, and the discriminator does not notice "
        "what is absent.",
        (GAN,),
        classes,
        lambda subject: "" if subject.model.side == 28 else "the classifier supports only 28×28 images",
    ),
    Part(
        "quality",
        "How close to real images?",
        "Generated and real images are compared as two clouds of points. Their coordinates are features from a network or "
        "principal components. Each number is shown with the value for other real images, which is the best possible.",
        "Distances: smaller is better. Shares: larger is better. Precision tells whether the images are realistic, recall "
        "whether all kinds of images occur.",
        "Good: near the value for real images. Bad: many times that distance, or high precision with low recall: realistic "
        "but always alike.",
        (GAN,),
        quality,
    ),
    Part(
        "neighbours",
        "Did it memorise images?",
        "Below each generated image is the training image most similar to it, in pixels or in features.",
        "Look for identical pairs. The distances are also compared with those of held-out real images.",
        "Good: similar but with different strokes, and a ratio around 1. Bad: copies, with a ratio near zero. A large ratio "
        "means that the images resemble no real image.",
        (GAN,),
        neighbours,
    ),
)
