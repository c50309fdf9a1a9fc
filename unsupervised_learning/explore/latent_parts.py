"""The parts of a look at an autoencoder or a VAE that show what its codes are, and what is said of them.

What is said is for a person who does not know such models.
"""

from statistics import NormalDist

import numpy as np
import tensorflow as tf

from unsupervised_learning.data import mnist
from unsupervised_learning.evaluation import latent_paths, representation
from unsupervised_learning.explore import interactive, latent_plots, measure_plots, rotation
from unsupervised_learning.explore.subject import AE, VAE, Found, Part, Picture, Row, Subject, axis_names, label_names
from unsupervised_learning.figures import plots, scatters
from unsupervised_learning.losses import bernoulli_cross_entropy
from unsupervised_learning.monitoring import summaries

STEPS = 11  # of a walk
MOST_DIMENSIONS = 10  # walked along
PAIRS = 4  # of images, between which lines and arcs are drawn
GRID = 20  # images along a side of the plane, as in `outputs`
DOTS_OF_GIF = 800
STARTS, ENDS, SPREAD = range(3)  # what chance is for


def reconstructions(subject: Subject) -> Found:
    """Ten test images from the best to the worst, and the errors of all."""
    made = subject.decode(subject.codes)
    if subject.kind == VAE:
        logits = subject.model.decoder(np.asarray(subject.codes, np.float32))
        errors = np.asarray(bernoulli_cross_entropy(tf.constant(subject.images), logits), np.float64)
        unit, name = "nats per image", "minus log-probability, nats"
    else:
        errors = np.square(made - subject.images, dtype=np.float64) @ np.full(made.shape[1], 1 / made.shape[1])
        unit, name = "per pixel", "mean squared error"
    order = np.argsort(errors, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(10, len(order))).round().astype(int)]
    title = "Test images and their reconstructions, from the best to the worst"
    figure = latent_plots.error_maps(subject.images[shown], made[shown], errors[shown], name, title)
    means = [errors[subject.labels == label].mean() for label in np.unique(subject.labels)]
    names = [label_names(subject)[label] for label in np.unique(subject.labels)]
    by_label = measure_plots.bars(np.array(means), [name.split()[-1] for name in names], "Error by label", f"{name}")
    best, worst = names[int(np.argmin(means))], names[int(np.argmax(means))]
    return Found(
        {
            "mean": float(errors.mean()),
            "median": float(np.median(errors)),
            "unit": unit,
            "by_label": dict(zip(names, map(float, means), strict=True)),
        },
        [
            Picture("reconstructions", "Image, output, and output minus image; the numbers are the errors.", figure),
            Picture("error_by_label", "The mean error of each label's images.", by_label),
        ],
        f"On average the error is {errors.mean():.4g} ({name}); {best} comes back best and {worst} worst.",
    )


def scatter(subject: Subject) -> Found:
    """The codes as a picture, a GIF and something to turn."""
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
        turning = rotation.rotating_scatter(codes[some], subject.labels[some], f"{title.split(' of ')[0]}, turning", names)
        pictures.append(Picture("latent_rotation", f"{min(DOTS_OF_GIF, len(codes)):,} of them, turning.", turning))
    some = slice(0, subject.sizes.dots)
    widget = interactive.scatter(
        codes[some], subject.labels[some], subject.dataset.test.images[some], names, label_names(subject)
    )
    numbers = {"mean": subject.codes.mean(axis=0, dtype=np.float64).tolist(), "sd": subject.codes.std(axis=0).tolist()}
    return Found(numbers, pictures, widget=widget)


def traversal(subject: Subject) -> Found:
    """Each dimension from end to end, the others staying where an image's code has them."""
    dimensions = np.sort(subject.dimensions[:MOST_DIMENSIONS])
    count = 3 if len(dimensions) <= 4 else 1
    chosen = _of_different_labels(subject, count, STARTS)
    if subject.kind == VAE:
        values = np.tile(np.linspace(-3, 3, STEPS), (len(dimensions), 1))
        columns = [f"{value:.1f}".replace("-", "−") for value in values[0]]
        label = "value of the dimension (the prior's standard deviation is 1)"
    else:  # there is no prior to say how far to go
        low, high = np.quantile(subject.codes[:, dimensions], [0.01, 0.99], axis=0)
        values = np.linspace(low, high, STEPS, axis=1)
        columns = [f"{share:.0%}" for share in np.linspace(0, 1, STEPS)]
        label = "of the way from the dimension's 1st percentile to its 99th"
    paths = latent_paths.traversal(subject.codes[chosen], dimensions, values)
    pictures = subject.decode(paths).reshape(count * len(dimensions), STEPS, -1)
    own = np.abs(values[None] - subject.codes[chosen][:, dimensions][:, :, None]).argmin(axis=2).ravel()
    labels = [label_names(subject)[one] for one in subject.labels[chosen]]
    rows = [f"{name}, z{dimension + 1}" for name in labels for dimension in dimensions]
    title = "One dimension at a time"
    figure = latent_plots.traversals(pictures, title, rows, columns, label, own, len(dimensions) if count > 1 else 0)
    # How much a step along each dimension changes the picture.
    change = np.abs(np.diff(np.clip(pictures, 0, 1), axis=1)).sum(axis=(1, 2)).reshape(count, -1).mean(axis=0)
    numbers = {f"z{dimension + 1}": float(total) for dimension, total in zip(dimensions, change, strict=True)}
    return Found(
        {"images": chosen.tolist(), "pixel_change": numbers},
        [Picture("traversal", "Outlined: the value that the image itself has.", figure)],
        f"Most is changed by z{dimensions[change.argmax()] + 1}, least by z{dimensions[change.argmin()] + 1}."
        if len(dimensions) > 1
        else "",
    )


def manifold(subject: Subject) -> Found:
    """The plane of the two most important dimensions."""
    first, second = sorted(subject.dimensions[:2])
    if subject.kind == VAE:  # evenly spaced in the prior's probability (Kingma & Welling 2013, figure 4)
        across = upward = np.array([NormalDist().inv_cdf(share) for share in np.linspace(0.02, 0.98, GRID)])
    else:
        across, upward = (
            np.linspace(*(np.quantile(subject.codes[:, one], share) for share in (0.01, 0.99)), num=GRID)
            for one in (first, second)
        )
    images = subject.decode(latent_paths.plane(subject.center, (first, second), across, upward))
    names = f"z{first + 1}", f"z{second + 1}"
    others = " and the others in the middle" if subject.model.z_dim > 2 else ""
    title = f"Images decoded over the plane of {names[0]} and {names[1]}"
    figure = plots.manifold(images, across, title, names, upward)
    caption = f"Each image is what the decoder makes of that place, {names[0]} growing to the right, {names[1]} upward{others}."
    return Found({"dimensions": [int(first) + 1, int(second) + 1]}, [Picture("manifold", caption, figure)])


def interpolation(subject: Subject) -> Found:
    """Lines and arcs between the codes of pairs of test images."""
    start, end = np.split(_of_different_labels(subject, 2 * PAIRS, ENDS), 2)
    return between(subject, subject.codes[start], subject.codes[end], subject.codes)


def between(subject: Subject, start: np.ndarray, end: np.ndarray, usual: np.ndarray) -> Found:
    """Lines and arcs from codes [pairs, z_dim] to codes [pairs, z_dim]; `usual` [n, z_dim] are codes as they come."""
    shares = np.linspace(0, 1, STEPS)
    paths = {"straight": latent_paths.linear(start, end, shares), "arc": latent_paths.spherical(start, end, shares)}
    pictures = subject.decode(np.stack(list(paths.values()), axis=1))  # [pairs, 2, steps, …]
    columns = [f"{share:.1f}" for share in shares]
    title = "From one image to another, straight and along the arc"
    figure = latent_plots.interpolations(pictures, title, columns, "share of the way")
    norms = {name: np.linalg.norm(path, axis=2) for name, path in paths.items()}
    usual_norms = np.linalg.norm(np.asarray(usual, np.float64), axis=1)
    distances = measure_plots.path_norms(norms, usual_norms, "How far from the origin the ways run", shares)
    middle = {name: float(norm[:, STEPS // 2].mean()) for name, norm in norms.items()}
    return Found(
        {"norm_half_way": middle, "usual_norm": float(np.median(usual_norms))},
        [
            Picture("interpolation", "Pairs of rows: the straight line, and the arc about the origin.", figure),
            Picture("interpolation_norms", "The grey band: where codes usually lie.", distances),
        ],
        f"Half way the straight lines are {middle['straight']:.2f} from the origin and the arcs {middle['arc']:.2f}; "
        f"the median code is {np.median(usual_norms):.2f} away.",
    )


def samples(subject: Subject) -> Found:
    """Images decoded from latents that no image was encoded to."""
    made = summaries.decoded_samples(subject.model)
    prior = "the prior, N(0, 1)" if subject.kind == VAE else "the whole range of codes, evenly"
    figure = plots.image_grid(made, f"Images decoded from {prior}")
    return Found({}, [Picture("samples", f"{len(made)} codes drawn from {prior}.", figure)])


READINGS = {
    "knn_accuracy": ("nearest neighbours' accuracy", "How often the ten nearest codes, by majority, have the image's label."),
    "linear_probe_accuracy": (
        "linear classifier's accuracy",
        "How often one flat cut for each label through the codes is right.",
    ),
    "purity": ("purity of clusters", "Ten groups found by k-means without labels: the share of the commonest label in each."),
    "nmi": ("NMI of clusters", "How much these groups tell of the labels: 0 nothing, 1 all."),
    "ari": ("ARI of clusters", "Pairs grouped as their labels are: 0 as by chance, 1 all."),
    "silhouette": ("silhouette", "How much nearer an image is to its own label than to the next: from −1 to 1."),
    "trustworthiness": (
        "trustworthiness",
        "Whether images that are neighbours as codes are neighbours as pixels: 1 if all are.",
    ),
    "code_sparsity": ("sparsity of codes", "0 if all numbers of a code are equally large, 1 if one alone is not zero."),
}


def codes(subject: Subject) -> Found:
    """How well the codes keep apart what is different, beside PCA's."""
    training = subject.dataset.train.images
    pca_codes = None
    if subject.model.z_dim <= min(len(training), subject.images.shape[1]):
        pca = representation.fitted_pca(mnist.to_unit_interval(training), subject.model.z_dim)
        pca_codes = pca.transform(subject.images)
    numbers = representation.report(subject.codes, subject.labels, subject.images, pca_codes)
    pca = numbers["pca"] or {}
    rows = tuple(
        Row(name, f"{numbers['codes'][key]:.3f}", "–" if pca.get(key) is None else f"PCA {pca[key]:.3f}", reading)
        for key, (name, reading) in READINGS.items()
        if numbers["codes"].get(key) is not None
    )
    said = f"The nearest codes have the image's label in {numbers['codes']['knn_accuracy']:.1%} of cases"
    if pca:
        said += f", where as many principal components reach {pca['knn_accuracy']:.1%}"
    return Found(numbers, [], f"{said}; chance is 10%.", rows)


def _of_different_labels(subject: Subject, count: int, purpose: int) -> np.ndarray:
    """Numbers of test images, of different labels as far as there are so many."""
    order = subject.random(purpose).permutation(len(subject.labels))
    firsts = [order[np.flatnonzero(subject.labels[order] == label)[0]] for label in dict.fromkeys(subject.labels[order])]
    return np.resize(np.array(firsts), count)


BOTH = (AE, VAE)
PARTS = (
    Part(
        "reconstructions",
        "What comes back",
        "The model squeezes each image of 784 pixels into a few numbers, its code, and makes an image of these again. "
        "Here are ten test images, which it never saw in training, from the one that comes back best to the one that "
        "comes back worst.",
        "The third row is the output minus the image: white is right, blue is too bright, red too dark. Below stands the "
        "error of each; for a VAE it is how improbable the model finds the image's pixels, in nats.",
        "Good: pale maps with thin outlines. Bad: whole strokes in blue beside strokes in red, which means another shape,"
        " or even another digit, came back.",
        BOTH,
        reconstructions,
    ),
    Part(
        "scatter",
        "Where the images lie",
        "Each dot is one test image, placed where the model puts it and coloured by its label. The model was never told "
        "the labels.",
        "Images that the model finds alike lie together. Point at dots to see the images; turn the cloud, hide digits, "
        "and look where one cluster passes into another: what lies between is often hard to read for people too.",
        "Good: one cluster for each digit, with little overlap. Bad: colours mixed at random, or all dots in one point, "
        "which means that the codes say nothing.",
        BOTH,
        scatter,
    ),
    Part(
        "traversal",
        "What each dimension does",
        "Take an image's code, change one of its numbers from end to end, and make an image of each step. A row is one "
        "dimension.",
        "The outlined image has the code's own value; follow the row to both sides to see what that number stands for.",
        "Good: a row changes one thing smoothly, such as slant or roundness, or turns one digit into another. Bad: a row "
        "in which nothing changes: the model does not use that dimension.",
        BOTH,
        traversal,
    ),
    Part(
        "manifold",
        "The map of all images",
        "Codes are taken from a grid over the plane of the two dimensions that carry most, and an image is made of each. "
        "For a VAE the grid is closer where the prior expects more codes.",
        "Walk over it as over a map: each digit has its land, and the border lands show one turning into another.",
        "Good: readable digits nearly everywhere, and all ten of them; with more than two dimensions some lie off this "
        "plane. Bad: large blurred or empty regions.",
        BOTH,
        manifold,
        lambda subject: "" if subject.model.z_dim > 1 else "a plane needs two dimensions, and the code has one",
    ),
    Part(
        "interpolation",
        "From one image to another",
        "Two test images are encoded, and images are made of codes on the way from one to the other: on the straight "
        "line, and on the arc that turns about the origin (“slerp”).",
        "Compare the two rows of a pair. Codes from a bell curve in many dimensions all lie at nearly one distance from "
        "the origin; a straight line cuts through the middle, where there are none, and the arc stays among them. With "
        "two or three dimensions the middle is not empty, and both ways do. The second figure shows the distances.",
        "Good: every step looks like a digit, and steps change it evenly. Bad: two digits laid over each other half way, "
        "as when one photograph fades into another.",
        BOTH,
        interpolation,
    ),
    Part(
        "samples",
        "Images that never were",
        "Codes are drawn by chance, without any image, and the decoder makes images of them. A VAE is trained so that "
        "codes drawn from a bell curve, the prior, are codes of images; a plain autoencoder is not, and is shown here to "
        "compare.",
        "Judge them as handwriting: how many are digits that someone could have written?",
        "Good: most are readable and all ten digits occur. Bad: blots between digits: the codes drawn lie where no image "
        "was encoded.",
        BOTH,
        samples,
    ),
    Part(
        "codes",
        "How much the codes know of the labels",
        "Labels are used only now, to see whether the codes keep apart what people call different. The same is measured "
        "for principal components (PCA), the best that a linear model with as many numbers can do.",
        "Each line is a measure between nothing (chance) and 1; its last column says what it counts. “PCA” is the value "
        "to beat.",
        "Good: clearly above PCA. Bad: near PCA or chance: the extra layers bought nothing.",
        BOTH,
        codes,
    ),
)
