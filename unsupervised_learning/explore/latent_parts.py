"""The parts that evaluate the codes of an autoencoder or a VAE, with explanations for readers new to these models."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from unsupervised_learning.data.dataset import to_unit_interval
from unsupervised_learning.evaluation import latent_paths, representation
from unsupervised_learning.explore import interactive, latent_plots, measure_plots, rotation
from unsupervised_learning.explore.subject import AE, VAE, Found, Part, Picture, Row, Subject, axis_names, label_names
from unsupervised_learning.figures import plots, scatters
from unsupervised_learning.losses import bernoulli_cross_entropy
from unsupervised_learning.monitoring.samples import GRID

STEPS = 11  # steps of a walk
MOST_DIMENSIONS = 10  # maximum number of dimensions in the traversal
PAIRS = 4  # pairs of images to interpolate between
PLANE = 20  # images along each side of the plane
DOTS_OF_GIF = 800
STARTS, ENDS, SPREAD = range(3)  # purposes of random numbers


def reconstructions(subject: Subject) -> Found:
    """Ten test images from the lowest to the highest error, and the mean error of each label."""
    made = subject.decode(subject.codes)
    if subject.kind == VAE:
        logits = subject.model.decoder(np.asarray(subject.codes, np.float32))
        errors = np.asarray(bernoulli_cross_entropy(tf.constant(subject.images), logits), np.float64)
        unit, name = "nats per image", "negative log-likelihood, nats"
        note = " Here each image is decoded from μ, the mean of its codes."
        if isinstance(drawn := subject.run.results.get("reconstruction"), float):
            note += f" The run's results.json has {drawn:.2f}: there z is drawn around μ, and the noise costs the difference."
    else:
        errors = np.square(made - subject.images, dtype=np.float64) @ np.full(made.shape[1], 1 / made.shape[1])
        unit, name, note = "per pixel", "mean squared error", ""
    order = np.argsort(errors, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(10, len(order))).round().astype(int)]
    title = "Test images and their reconstructions, from best to worst"
    figure = latent_plots.error_maps(subject.images[shown], made[shown], errors[shown], name, title)
    means = [errors[subject.labels == label].mean() for label in np.unique(subject.labels)]
    names = [label_names(subject)[label] for label in np.unique(subject.labels)]
    drawn = [Picture("reconstructions", "Image, output, and output minus image. The numbers are the errors.", figure)]
    summary, numbers = f"The mean error is {errors.mean():.4g} ({name})", {"mean": float(errors.mean())}
    numbers |= {"median": float(np.median(errors)), "unit": unit}
    if not subject.labelled:
        return Found(numbers, drawn, f"{summary}.{note}")
    by_label = measure_plots.bars(np.array(means), [name.split()[-1] for name in names], "Error by label", name)
    best, worst = names[int(np.argmin(means))], names[int(np.argmax(means))]
    return Found(
        {**numbers, "by_label": dict(zip(names, map(float, means), strict=True))},
        [*drawn, Picture("error_by_label", "Mean error of each label.", by_label)],
        f"{summary}; it is lowest for {best} and highest for {worst}.{note}",
    )


def scatter(subject: Subject) -> Found:
    """The codes as a figure or GIF, and as an interactive scatter."""
    codes, names = subject.codes, axis_names(subject.model.z_dim)
    title = f"{'Means of z' if subject.kind == VAE else 'Codes'} of {len(codes):,} test images"
    pictures = []
    if codes.shape[1] < 3:
        pictures.append(Picture("latent_scatter", "All test images.", scatters.latent_scatter(codes, subject.labels, title)))
    elif codes.shape[1] > 3:
        codes, names = scatters.first_principal_components(np.asarray(codes, np.float64))
        names = [f"PC {number}" for number in range(1, len(names) + 1)]
    if codes.shape[1] == 1:  # a strip for each label
        spread = subject.random(SPREAD).uniform(-0.36, 0.36, len(codes))
        codes, names = np.column_stack([codes[:, 0], subject.labels + spread]), ["z1", "label"]
    if codes.shape[1] == 3:
        some = slice(0, DOTS_OF_GIF)
        turning = rotation.rotating_scatter(codes[some], subject.labels[some], f"{title.split(' of ')[0]}, rotating", names)
        pictures.append(Picture("latent_rotation", f"{min(DOTS_OF_GIF, len(codes)):,} of the codes, rotating.", turning))
    some = slice(0, subject.sizes.dots)
    widget = interactive.scatter(
        codes[some], subject.labels[some], subject.dataset.test.images[some], names, label_names(subject)
    )
    numbers = {"mean": subject.codes.mean(axis=0, dtype=np.float64).tolist(), "sd": subject.codes.std(axis=0).tolist()}
    return Found(numbers, pictures, widget=widget)


class Walks(NamedTuple):
    """Walks along single dimensions from the codes of a few test images.

    Attributes:
        dimensions: [d], the dimensions, counted from 0.
        chosen: [count], indices of the images.
        values: [d, steps], the values of each dimension.
        pictures: [count · d, steps, 784], decoded.
        change: [d], sum of the pixels' changes along each dimension, averaged over the images.
    """

    dimensions: np.ndarray
    chosen: np.ndarray
    values: np.ndarray
    pictures: np.ndarray
    change: np.ndarray


def walks(subject: Subject) -> Walks:
    """Vary one dimension of an image's code at a time, over its whole range."""
    dimensions = np.sort(subject.dimensions[:MOST_DIMENSIONS])
    count = 3 if len(dimensions) <= 4 else 1
    chosen = _of_different_labels(subject, count, STARTS)
    if subject.kind == VAE:
        values = np.tile(np.linspace(-3, 3, STEPS), (len(dimensions), 1))
    else:  # without a prior, take the range from the codes
        low, high = np.quantile(subject.codes[:, dimensions], [0.01, 0.99], axis=0)
        values = np.linspace(low, high, STEPS, axis=1)
    paths = latent_paths.traversal(subject.codes[chosen], dimensions, values)
    pictures = subject.decode(paths).reshape(count * len(dimensions), STEPS, -1)
    change = np.abs(np.diff(np.clip(pictures, 0, 1), axis=1)).sum(axis=(1, 2)).reshape(count, -1).mean(axis=0)
    return Walks(dimensions, chosen, values, pictures, change)


def traversal(subject: Subject) -> Found:
    """Walks along single dimensions, as rows of images."""
    dimensions, chosen, values, pictures, change = walks(subject)
    if subject.kind == VAE:
        columns = [f"{value:.1f}".replace("-", "−") for value in values[0]]
        label = "value of the dimension (the prior's standard deviation is 1)"
    else:
        columns = [f"{share:.0%}" for share in np.linspace(0, 1, STEPS)]
        label = "position between the dimension's 1st and 99th percentile"
    own = np.abs(values[None] - subject.codes[chosen][:, dimensions][:, :, None]).argmin(axis=2).ravel()
    labels = [label_names(subject)[one] for one in subject.labels[chosen]]
    rows = [f"{name}, z{dimension + 1}" for name in labels for dimension in dimensions]
    title = "One dimension at a time"
    figure = latent_plots.traversals(pictures, title, rows, columns, label, own, len(dimensions) if len(chosen) > 1 else 0)
    numbers = {f"z{dimension + 1}": float(total) for dimension, total in zip(dimensions, change, strict=True)}
    return Found(
        {"images": chosen.tolist(), "pixel_change": numbers},
        [Picture("traversal", "Outlined: the value closest to the image's own code.", figure)],
        f"The pixels change most along z{dimensions[change.argmax()] + 1} and least along z{dimensions[change.argmin()] + 1}."
        if len(dimensions) > 1
        else "",
    )


def manifold(subject: Subject) -> Found:
    """Images decoded over the plane of the two dimensions along which the pixels change most."""
    along = walks(subject)
    first, second = sorted(along.dimensions[np.argsort(-along.change, kind="stable")[:2]])
    if subject.kind == VAE:  # evenly spaced quantiles of the prior (Kingma & Welling 2013, figure 4)
        across = upward = np.array([NormalDist().inv_cdf(share) for share in np.linspace(0.02, 0.98, PLANE)])
    else:
        across, upward = (
            np.linspace(*(np.quantile(subject.codes[:, one], share) for share in (0.01, 0.99)), num=PLANE)
            for one in (first, second)
        )
    images = subject.decode(latent_paths.plane(subject.center, (first, second), across, upward))
    names = f"z{first + 1}", f"z{second + 1}"
    others = ", the others at their center" if subject.model.z_dim > 2 else ""
    title = f"Images decoded over the plane of {names[0]} and {names[1]}"
    figure = plots.manifold(images, across, title, names, upward)
    caption = f"Each image is decoded from its position: {names[0]} grows to the right, {names[1]} upward{others}."
    which = "the two dimensions" if subject.model.z_dim == 2 else "the two dimensions along which the pixels change most"
    summary = f"The map shows {names[0]} and {names[1]}, {which}."
    return Found({"dimensions": [int(first) + 1, int(second) + 1]}, [Picture("manifold", caption, figure)], summary)


def interpolation(subject: Subject) -> Found:
    """Straight lines and arcs between the codes of pairs of test images."""
    start, end = np.split(_of_different_labels(subject, 2 * PAIRS, ENDS), 2)
    if np.array_equal(start, end):  # they repeat a list of two or four images
        end = np.roll(end, 1)
    return between(subject, subject.codes[start], subject.codes[end], subject.codes)


def between(subject: Subject, start: np.ndarray, end: np.ndarray, usual: np.ndarray) -> Found:
    """Straight lines and arcs from `start` to `end`, [pairs, z_dim] each; `usual` [n, z_dim] are typical codes."""
    shares = np.linspace(0, 1, STEPS)
    paths = {"straight": latent_paths.linear(start, end, shares), "arc": latent_paths.spherical(start, end, shares)}
    pictures = subject.decode(np.stack(list(paths.values()), axis=1))  # [pairs, 2, steps, …]
    columns = [f"{share:.1f}" for share in shares]
    title = "From one image to another, along a line and an arc"
    figure = latent_plots.interpolations(pictures, title, columns, "fraction of the way")
    norms = {name: np.linalg.norm(path, axis=2) for name, path in paths.items()}
    usual_norms = np.linalg.norm(np.asarray(usual, np.float64), axis=1)
    distances = measure_plots.path_norms(norms, usual_norms, "Distance of the paths from the origin", shares)
    middle = {name: float(norm[:, STEPS // 2].mean()) for name, norm in norms.items()}
    return Found(
        {"norm_half_way": middle, "usual_norm": float(np.median(usual_norms))},
        [
            Picture("interpolation", "Pairs of rows: the straight line, then the arc around the origin.", figure),
            Picture("interpolation_norms", "Grey band: where 90% of the codes lie.", distances),
        ],
        f"Halfway, the mean distance from the origin is {middle['straight']:.2f} on the lines and {middle['arc']:.2f} on the "
        f"arcs; the median distance of codes is {np.median(usual_norms):.2f}.",
    )


def samples(subject: Subject) -> Found:
    """Images decoded from random codes."""
    made = subject.model.sample(GRID, seed=subject.seed)
    prior = "the prior, N(0, 1)" if subject.kind == VAE else "U(−1, 1), the range of tanh"
    figure = plots.image_grid(made, f"Images decoded from {prior}")
    return Found({}, [Picture("samples", f"{len(made)} codes drawn from {prior}.", figure)])


READINGS = {
    "knn_accuracy": ("nearest neighbours' accuracy", "Share of images with the same label as most of the ten nearest codes."),
    "linear_probe_accuracy": (
        "linear classifier's accuracy",
        "Accuracy of a linear classifier on the codes.",
    ),
    "purity": ("purity of clusters", "Share of the most common label in each of ten k-means clusters."),
    "nmi": ("NMI of clusters", "Normalised mutual information of the clusters and the labels: 0 none, 1 complete."),
    "ari": ("ARI of clusters", "Adjusted Rand index, agreement on pairs of images: 0 by chance, 1 complete."),
    "silhouette": ("silhouette", "How much closer an image is to its own label than to the nearest other one: from −1 to 1."),
    "trustworthiness": (
        "trustworthiness",
        "Whether neighbours in the latent space are neighbours in pixels too: 1 if all are.",
    ),
    "code_sparsity": ("sparsity of codes", "0 if all numbers of a code are equally large, 1 if only one is nonzero."),
}


def codes(subject: Subject) -> Found:
    """How well the codes separate the labels, compared with PCA."""
    training = subject.dataset.train.images
    pca_codes = None
    if subject.model.z_dim <= min(len(training), subject.images.shape[1]):
        pca = representation.fitted_pca(to_unit_interval(training), subject.model.z_dim)
        pca_codes = pca.transform(subject.images)
    numbers = representation.report(subject.codes, subject.labels, subject.images, pca_codes)
    pca = numbers["pca"] or {}
    rows = tuple(
        Row(name, f"{numbers['codes'][key]:.3f}", "–" if pca.get(key) is None else f"PCA {pca[key]:.3f}", reading)
        for key, (name, reading) in READINGS.items()
        if numbers["codes"].get(key) is not None
    )
    summary = f"The accuracy of the nearest neighbours is {numbers['codes']['knn_accuracy']:.1%}"
    if pca:
        summary += f"; with the same number of principal components it is {pca['knn_accuracy']:.1%}"
    return Found(numbers, [], f"{summary}; chance is 10%.", rows)


def _of_different_labels(subject: Subject, count: int, purpose: int) -> np.ndarray:
    """Indices of random test images with different labels; labels repeat if `count` exceeds their number."""
    order = subject.random(purpose).permutation(len(subject.labels))
    firsts = [order[np.flatnonzero(subject.labels[order] == label)[0]] for label in dict.fromkeys(subject.labels[order])]
    return np.resize(np.array(firsts) if subject.labelled else order, count)


BOTH = (AE, VAE)
PARTS = (
    Part(
        "reconstructions",
        "Reconstructions",
        "The model compresses each image of 784 pixels into a few numbers, its code, and reconstructs the image from them. "
        "Here are ten test images, which it never saw in training, from the best reconstruction to the worst.",
        "The third row is the output minus the image: white is right, blue is too bright, red is too dark. Below is the "
        "error of each image. For a VAE it measures how improbable the model finds the pixels, in nats.",
        "Good: pale maps with thin outlines. Bad: whole blue strokes beside red ones; the output then has another shape, "
        "or even shows another digit.",
        BOTH,
        reconstructions,
    ),
    Part(
        "scatter",
        "The latent space",
        "Each dot is the code of one test image, coloured by its label. The model was never told the labels.",
        "Images that the model finds similar lie close together. Point at dots to see their images, rotate the cloud and "
        "hide digits. Look where clusters meet: images in between are often hard to read for people too.",
        "Good: one cluster for each digit, with little overlap. Bad: randomly mixed colours, or all dots in one point; the "
        "codes then carry no information.",
        BOTH,
        scatter,
    ),
    Part(
        "traversal",
        "What each dimension does",
        "One number of an image's code is varied over its whole range, and each step is decoded. Each row is one dimension.",
        "The outlined image is closest to the original code. Follow the row to both sides to see what the number controls.",
        "Good: a row changes one thing smoothly, such as slant or roundness, or turns one digit into another. Bad: nothing "
        "changes along a row; the model does not use that dimension.",
        BOTH,
        traversal,
    ),
    Part(
        "manifold",
        "A map of the latent space",
        "Images are decoded from a grid over two dimensions: those along which the pixels change most. For a VAE the grid is "
        "denser where the prior is.",
        "Read it as a map: each digit has its own region, and at the borders one digit turns into another.",
        "Good: readable digits nearly everywhere, and all ten of them; with more than two dimensions, some digits may lie "
        "off this plane. Bad: large blurred or empty regions.",
        BOTH,
        manifold,
        lambda subject: "" if subject.model.z_dim > 1 else "a map needs two dimensions, but the code has one",
    ),
    Part(
        "interpolation",
        "From one image to another",
        "Two test images are encoded, and the codes between them are decoded: on a straight line, and on an arc around the "
        "origin (“slerp”).",
        "Compare the two rows of each pair. In many dimensions, normally distributed codes all have nearly the same distance "
        "from the origin. A straight line cuts through the empty middle; the arc stays among the codes. With two or three "
        "dimensions the middle is not empty, and both paths work. The second figure shows the distances.",
        "Good: every step looks like a digit, and the steps change it evenly. Bad: two overlaid digits halfway, as when one "
        "photograph fades into another.",
        BOTH,
        interpolation,
    ),
    Part(
        "samples",
        "Generated images",
        "Random codes are decoded to new images. A VAE is trained for this: codes drawn from its prior, a normal "
        "distribution, should decode to realistic images. A plain autoencoder is not; its samples are for comparison.",
        "Judge them as handwriting: how many are digits that someone could have written?",
        "Good: most are readable and all ten digits occur. Bad: blurred shapes between digits; no training image has a code "
        "there.",
        BOTH,
        samples,
    ),
    Part(
        "codes",
        "How well the codes separate the labels",
        "The labels are used only here, to see whether the codes separate the digits. The same is measured for principal "
        "components (PCA), the best linear code of the same size.",
        "Each row is one measure; except for the sparsity, higher is better, and 1 is the maximum. The last column explains "
        "it. “PCA” is the value to beat.",
        "Good: clearly above PCA. Bad: near PCA or chance; the extra layers then gained nothing.",
        BOTH,
        codes,
        lambda subject: "" if subject.labelled else "the images have no labels",
    ),
)
