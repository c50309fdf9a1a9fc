"""The parts of a look at a GAN, and what is said of them to a person who does not know such models."""

import math

import numpy as np

from unsupervised_learning.evaluation import latent_draws
from unsupervised_learning.explore import latent_parts, latent_plots, measure_plots
from unsupervised_learning.explore.subject import GAN, Found, Json, Part, Picture, Row, Subject
from unsupervised_learning.figures import plots
from unsupervised_learning.monitoring import gan
from unsupervised_learning.monitoring.event_files import pictures_logged
from unsupervised_learning.monitoring.samples import decoded_samples
from unsupervised_learning.monitoring.tags import FIXED_GRID

GRADIENTS = "gradient_norm_"
NEIGHBOURS_SHOWN = 10
USUAL = 2_000  # z drawn to see how far from the origin they lie
STARTS, ENDS, TYPICAL = range(10, 13)  # what chance is for


def samples(subject: Subject) -> Found:
    """Images of random z, and how they came about."""
    made = decoded_samples(subject.model)
    pictures = [Picture("samples", "64 images of random z, none chosen.", plots.image_grid(made, "Images from z ~ U(−1, 1)"))]
    grids = pictures_logged(subject.run.path, FIXED_GRID)
    if len(grids) > 1:
        figure = gan.through_training(grids, subject.model.side)
        pictures.append(Picture("through_training", "The same z at several moments of training.", figure))
    return Found({}, pictures)


def walk(subject: Subject) -> Found:
    """Along the dimensions that 2016 walked along."""
    latents = latent_draws.of_gan(6, subject.model.z_dim, subject.random(STARTS))
    chosen = [dimension for dimension in (25, 50, 75) if dimension < subject.model.z_dim] or [0]
    figures = {dimension: gan.walk(subject.model, latents, dimension) for dimension in chosen}
    pictures = [
        Picture(f"walk_{dimension}", f"Dimension {dimension} of z, the others as they are.", figure)
        for dimension, figure in figures.items()
    ]
    return Found({"dimensions": chosen}, pictures)


def interpolation(subject: Subject) -> Found:
    """Lines and arcs between random z."""
    shape = (latent_parts.PAIRS, subject.model.z_dim)
    start, end = (subject.random(purpose).uniform(-1, 1, shape) for purpose in (STARTS, ENDS))
    return latent_parts.between(subject, start, end, subject.random(TYPICAL).uniform(-1, 1, (USUAL, shape[1])))


def health(subject: Subject) -> Found:
    """What the discriminator thinks, and the course of training."""
    numbers, arrays = subject.gan_report
    named = {"training images": "train", "test images": "test", "generated": "samples"}
    probabilities = {name: arrays[f"probability_{key}"] for name, key in named.items() if f"probability_{key}" in arrays}
    figure = measure_plots.histograms(
        probabilities, "What the discriminator thinks", "D's probability that the image is real", (0, 1)
    )
    pictures = [Picture("discriminator", "At the end of training.", figure)]
    if "discriminator_loss" in arrays:
        course = {"discriminator's loss": dict(arrays["discriminator_loss"])}
        title = "The discriminator's loss through training"
        figure = measure_plots.courses(course, title, "nats", level=2 * math.log(2), at="where neither wins, 2 ln 2")
        pictures.append(Picture("discriminator_loss", "As logged.", figure))
    norms = {key.removeprefix(GRADIENTS): dict(values) for key, values in arrays.items() if key.startswith(GRADIENTS)}
    if norms:
        figure = measure_plots.courses(norms, "Gradients of the networks' first layers", "norm", log=True)
        pictures.append(Picture("gradient_norms", "By which the author of 2016 judged; on a logarithmic scale.", figure))
    means = {name: float(np.mean(values)) for name, values in probabilities.items()}
    rows = [
        Row(f"D's mean probability, {name}", f"{mean:.3f}", "0.5 where neither wins", "How real the discriminator finds them.")
        for name, mean in means.items()
    ]
    near_zero = numbers["discriminator_loss_near_zero"]
    if near_zero:
        rows.append(
            Row(
                "loss near zero",
                f"{near_zero['share']:.1%}",
                f"of {near_zero['logged']:,} logged",
                f"The share of iterations at which D's loss was below {near_zero['threshold']}: the 2016 sign of a failed run.",
            )
        )
    kept = ("discriminator", "first_layer_gradient_norms", "discriminator_loss_near_zero")
    said = "; ".join(f"{name}: {mean:.2f}" for name, mean in means.items())
    return Found({key: numbers[key] for key in kept}, pictures, f"D's mean probabilities are: {said}.", tuple(rows))


def classes(subject: Subject) -> Found:
    """Which digits a classifier finds in the images."""
    numbers, arrays = subject.gan_report
    labels = numbers["labels"]
    shares = {"generated": arrays["label_shares_samples"], "real": arrays["label_shares_real"]}
    figure = measure_plots.beside_bars(shares, "Which digits the images are taken for", "share of the images", 0.1)
    off = labels["total_variation_from_uniform"]
    rows = (
        Row(
            "distance from uniform",
            f"{off['samples']:.3f}",
            f"real {off['real']:.3f}",
            "The share of images that would have to be another digit for all ten to be equally frequent.",
        ),
        Row(
            "confidence",
            f"{labels['confidence']['samples']:.3f}",
            f"real {labels['confidence']['real']:.3f}",
            "The classifier's mean probability of the digit that it chooses: low if images are unlike any.",
        ),
        Row(
            "classifier score",
            f"{labels['classifier_score']['samples']:.2f}",
            f"real {labels['classifier_score']['real']:.2f}, at most 10",
            "As the Inception score, by this classifier: high if images are clear and all kinds occur.",
        ),
    )
    kinds = int(np.sum(arrays["label_shares_samples"] > 0.01))
    accuracy = numbers["classifier"]["test_accuracy"]
    said = (
        f"{kinds} of 10 digits occur in more than 1% of the images. The classifier is right on {accuracy:.2%} of test images."
    )
    picture = Picture("classes", "The dashed line: all ten equally frequent.", figure)
    return Found({"labels": labels, "classifier": numbers["classifier"]}, [picture], said, rows)


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
            "How far apart two images are on average, in pixels. Near zero, all images are one.",
        )
    )
    kept = ("samples", "spaces", "diversity", "left_out")
    said = f"{numbers['samples']:,} generated images against as many training images; “real” is as many other training images."
    return Found({key: numbers[key] for key in kept}, [], said, tuple(rows))


def space_rows(name: str, space: Json) -> list[Row]:
    """The measures of one space of features."""
    space_name = name.replace("pixel_pca", "pixels")
    frechet, kernel = space["frechet"], space["kernel"]
    rows = [
        Row(
            f"Fréchet distance, {space_name}",
            f"{frechet['samples']:.3g}",
            f"real {frechet['real']:.3g}",
            f"Between bell curves fitted to both. Features: {space['what']}. Not the published FID, of another network.",
        ),
        Row(
            f"kernel distance, {space_name}",
            f"{kernel['samples']['mean']:.3g}",
            f"real {kernel['real']['mean']:.2g}".replace("-", "−"),
            "As KID, in the same features: 0 where both come from one distribution; may be slightly below by chance.",
        ),
    ]
    readings = {
        "precision": "The share of generated images that lie among real ones: are they good?",
        "recall": "The share of real images that lie among generated ones: are all kinds there?",
        "density": "As precision, but weighed by how many real images are around; may exceed 1.",
        "coverage": "The share of real images that have a generated one nearby.",
    }
    return rows + [
        Row(f"{measure}, {space_name}", f"{space[measure]['samples']:.3f}", f"real {space[measure]['real']:.3f}", reading)
        for measure, reading in readings.items()
        if space[measure]
    ]


def neighbours(subject: Subject) -> Found:
    """The training images that are nearest to generated ones."""
    numbers, arrays = subject.gan_report
    found = numbers["nearest_training_image"]
    pictures, rows = [], []
    for space, of in found.items():
        if space == "samples":
            continue
        shown = min(len(arrays["samples"]), len(arrays[f"nearest_{space}"]))
        distances = arrays[f"nearest_distance_{space}"][:shown]
        chosen = np.argsort(distances, kind="stable")[:NEIGHBOURS_SHOWN]  # the likeliest copies
        nearest = subject.dataset.train.images[arrays[f"nearest_{space}"][chosen]]
        where = "pixels" if space == "pixels" else f"features of the {space}"
        figure = latent_plots.nearest_neighbours(
            arrays["samples"][chosen], nearest, distances[chosen], f"Nearest to a training image in {where}"
        )
        caption = f"Of {shown} generated images the {len(chosen)} that come nearest to a training image."
        pictures.append(Picture(f"neighbours_{space}", caption, figure))
        rows += [
            Row(
                f"distance ratio, {space}",
                f"{of['ratio']:.2f}",
                "1",
                "The median distance to the nearest training image, over that of real images that were not trained on: 0 for "
                "copies, 1 for new images as good as real ones.",
            ),
            Row(f"copies, {space}", f"{of['copies']:.1%}", "1%", "Nearer to a training image than 99% of real images are."),
        ]
    copies = found["pixels"]["copies"]
    said = f"In pixels, {copies:.1%} of the generated images are nearer to a training image than 99% of real images are."
    return Found(found, pictures, said, tuple(rows))


PARTS = (
    Part(
        "samples",
        "What it draws",
        "The generator turns 100 random numbers, z, into an image. It never saw an image itself: it learnt only from a "
        "second network, the discriminator, which was shown real and generated images and had to tell them apart.",
        "Judge each image as handwriting or a photograph. Then look over the whole grid for repetition.",
        "Good: clear and varied. Bad: noise, or one image again and again (“mode collapse”).",
        (GAN,),
        samples,
    ),
    Part(
        "walk",
        "What one number does",
        "One of the numbers in z goes from −1 to 1, the others staying as they are. A row is one z.",
        "Follow a row from left to right. With 100 numbers each changes little; 2016's author showed these three.",
        "Good: small, smooth changes. Bad: none, or sudden jumps.",
        (GAN,),
        walk,
    ),
    Part(
        "interpolation",
        "From one image to another",
        "Images of z on the way from one random z to another: on the straight line, and on the arc about the origin (“slerp”).",
        "In 100 dimensions random z all lie at nearly one distance from the origin (the grey band). The straight line "
        "dips below it, the arc stays within.",
        "Good: every step is an image of its own kind. Bad: blurred or odd steps half way on the straight line, or a "
        "sudden jump: the generator has learnt images by heart and not what lies between.",
        (GAN,),
        interpolation,
    ),
    Part(
        "health",
        "Was the contest even?",
        "The discriminator says how probably an image is real: here for images that it was trained on, for test images, "
        "and for generated ones. Below, its loss and the size of the gradients through training.",
        "Where neither network wins, all probabilities are around one half and the loss is 1.386. If training images are "
        "found more real than test images, the discriminator has learnt them by heart.",
        "Good: histograms that overlap. Bad: real at 1 and generated at 0, with a loss near zero: the generator then "
        "learns nothing.",
        (GAN,),
        health,
    ),
    Part(
        "classes",
        "Does it draw all ten?",
        "A small classifier, trained by this project on the real images, says which digit each image is.",
        "Compare the bars with those of real images. The classifier must choose one of ten even where an image is none.",
        "Good: bars of equal height. Bad: digits that are missing: the generator dropped them, as the discriminator never"
        " asks for what it does not see.",
        (GAN,),
        classes,
        lambda subject: "" if subject.model.side == 28 else "a classifier is trained for 28×28 only",
    ),
    Part(
        "quality",
        "How near to real images?",
        "Generated and real images are compared as two clouds of points, in features that a network or principal "
        "components give. Beside each number stands what other real images get, which is the best that can be.",
        "Distances: the smaller the better. Shares: the larger the better; precision asks whether images are good, recall"
        " whether everything there is to draw is drawn.",
        "Good: near the value of real images. Bad: many times that distance; or high precision with low recall: good but "
        "always alike.",
        (GAN,),
        quality,
    ),
    Part(
        "neighbours",
        "Did it learn images by heart?",
        "Beside each generated image stands the training image that is most like it, in pixels and in features.",
        "Look for pairs that are the same. The distances are also compared with those of real images that were not trained on.",
        "Good: alike in kind, different in every stroke; a ratio around 1. Bad: copies, a ratio near zero. A large ratio "
        "means that images are unlike anything real.",
        (GAN,),
        neighbours,
    ),
)
