"""The parts of a look at a VAE that measure its bound, its dimensions and its prior, and what is said of them.

What is said is for a person who does not know such models.
"""

import contextlib

import numpy as np

from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import latent_draws, likelihood
from unsupervised_learning.explore import measure_plots
from unsupervised_learning.explore.subject import VAE, Found, Json, Part, Picture, Row, Subject, axis_names
from unsupervised_learning.monitoring.event_files import scalars_logged
from unsupervised_learning.monitoring.tags import KL_OF_DIMENSION, MOST_DIMENSIONS
from unsupervised_learning.training import finished_run

NOISE = 3  # what chance is for; `latent_parts` has those before


def dimensions(subject: Subject) -> Found:
    """What each dimension carries, at the end and through training."""
    kl, active = subject.importance, likelihood.active_units(subject.codes)
    names = axis_names(len(kl))
    title = "Information in each dimension"
    figure = measure_plots.bars(kl, names, title, "KL to the prior, nats per image")
    pictures = [Picture("kl_per_dimension", "Of the trained model, on the test images.", figure)]
    logged = {
        name: scalars_logged(subject.run.path, f"{KL_OF_DIMENSION}/{number}")
        for number, name in enumerate(names[:MOST_DIMENSIONS], start=1)
    }
    logged = {name: course for name, course in logged.items() if course}
    if not logged and (total := scalars_logged(subject.run.path, "ours/validation/kl")):
        logged = {"all together": total}  # a run from before each dimension's was logged
    if logged:
        course = measure_plots.courses(logged, "Through training", "KL, nats per image")
        pictures.append(Picture("kl_through_training", "On the validation images, every 1,000 iterations.", course))
    count = active["count"]
    rows = (
        Row("KL, all dimensions", f"{kl.sum():.3f} nats", "0: nothing is encoded", "What the codes say of the image, in all."),
        Row("active dimensions", f"{count} of {len(kl)}", f"all {len(kl)}", "Those whose mean varies by more than 0.01."),
    )
    bits = kl.sum() / np.log(2)
    said = f"{count} of {len(kl)} dimensions are in use; together they carry {kl.sum():.2f} nats ({bits:.1f} bits)."
    return Found({"kl": float(kl.sum()), "kl_per_dimension": kl.tolist(), "active_units": active}, pictures, said, rows)


def prior(subject: Subject) -> Found:
    """All posteriors together, beside the prior."""
    mu, log_var = subject.posterior
    numbers = likelihood.aggregate_posterior(mu, log_var, subject.seed)
    latents = latent_draws.of_posterior(mu, log_var, subject.random(NOISE))
    shown = np.sort(subject.dimensions[: measure_plots.MOST_PANELS])
    names = [f"z{number + 1}" for number in shown]
    figure = measure_plots.beside_normal(latents[:, shown], "One z for each test image, and the prior", names)
    rows = (
        Row(
            "information about the image",
            f"{numbers['mutual_information']:.3f} nats",
            f"at most {numbers['log_images']:.2f}",
            "The part of the KL that is of use: how well one z tells which image it came from.",
        ),
        Row(
            "distance from the prior",
            f"{numbers['marginal_kl']:.3f} nats",
            "0",
            "The rest of the KL: how badly all codes together fill the prior.",
        ),
    )
    said = (
        f"Of the {numbers['kl']:.2f} nats of KL, {numbers['mutual_information']:.2f} are information about the image and "
        f"{numbers['marginal_kl']:.2f} are misfit to the prior."
    )
    return Found(numbers, [Picture("aggregate_posterior", "A panel for each dimension.", figure)], said, rows)


def bounds(subject: Subject) -> Found:
    """The bounds on the test images' likelihood."""
    k = subject.sizes.draws
    images, labels = subject.images[: subject.sizes.images], subject.labels[: subject.sizes.images]
    done, total = 0, likelihood.decodings(len(images), k)

    def advance(more: int) -> None:
        nonlocal done
        done += more
        subject.tell("drawing z", done, total)

    numbers = likelihood.report(subject.model, images, labels, k, subject.seed, advance=advance)
    by_k = {row["k"]: row["negative_bound"] for row in numbers["bounds"]}
    figure = measure_plots.bound_by_draws(by_k, "The bound tightens with the number of draws")
    rows = []
    for row in numbers["bounds"]:
        name = "minus the ELBO" if row["k"] == 1 else "minus the bound"
        spread = "" if row["standard_error"] is None else f"± {row['standard_error']:.2f}, "
        reading = (
            "What training minimises, but for weights." if row["k"] == 1 else "Nearer to the true value; the lower the better."
        )
        beside = f"{spread}{row['images']:,} images"
        rows.append(Row(f"{name}, k = {row['k']:,}", f"{row['negative_bound']:.2f} nats", beside, reading))
    said = f"Per image: {', '.join(f'{value:.2f} nats for k = {number:,}' for number, value in by_k.items())}."
    if not numbers["binary"]:
        said += (
            " These images are grey, of which the model gives a loss and no true probability: the numbers compare models of "
            "the same images, and not with published ones of black-and-white MNIST."
        )
    picture = Picture("iwae_bound", f"Of {len(images):,} test images.", figure)
    return Found(numbers, [picture], said, tuple(rows))


def siblings(subject: Subject) -> list[Json]:
    """The run and those beside it that differ from it in nothing but kl_weight and seed, as `likelihood.rate_distortion`."""
    here = subject.run.path.resolve()
    runs: dict[str, tuple[Json, Json]] = {}
    for path in here.parent.glob("*/results.json"):
        with contextlib.suppress(RunError):
            run = finished_run.read(path.parent)
            runs[path.parent.name] = (
                run.config,
                {**run.results, **{name: run.number(name) for name in ("kl", "reconstruction")}},
            )
    return likelihood.rate_distortion(runs, like=here.name)


def no_siblings(subject: Subject) -> str:
    """Why there is no curve to draw."""
    if len({point["kl_weight"] for point in siblings(subject)}) > 1:
        return ""
    return (
        f"there is no run beside {subject.run.path.name} that differs from it in --kl_weight alone; make some, as with "
        "python train_vae.py --kl_weight=0.1 --logs_dir=… and --kl_weight=10"
    )


def rate_distortion(subject: Subject) -> Found:
    """The run among those with other weights of the KL."""
    points = siblings(subject)
    here = subject.run.path.resolve().name
    named, seen = [], set()
    for point in points:
        name = "" if point["kl_weight"] in seen else f"kl_weight {point['kl_weight']:g}"
        seen.add(point["kl_weight"])
        named.append((name, point["rate"], point["distortion"]))
    chosen = [point["name"] for point in points].index(here)
    figure = measure_plots.rate_distortion(named, "What a code costs and what it leaves unsaid", chosen)
    best = min(points, key=lambda point: point["negative_elbo"])
    said = f"{len(points)} runs; the best sum is that of kl_weight {best['kl_weight']:g}: {best['negative_elbo']:.1f} nats."
    lengths = sorted({point["iterations"] for point in points if point["iterations"]})
    if len(lengths) > 1:
        said += f" They were trained for {' to '.join(f'{length:,}' for length in (lengths[0], lengths[-1]))} iterations."
    return Found({"points": points}, [Picture("rate_distortion", "Orange: this run.", figure)], said)


PARTS = (
    Part(
        "dimensions",
        "How much each dimension says",
        "A VAE gives each image not a point but a small cloud of codes. The bars measure, for each dimension, how far "
        "these clouds differ from the prior, which says the same of every image: that is how much the dimension tells of "
        "the image. A nat is 1.44 bits.",
        "High bars are dimensions in use. Through training one sees when each was taken into use.",
        "Good: every bar well above zero. Bad: bars at zero. Such a dimension has collapsed to the prior, and the decoder"
        " ignores it.",
        (VAE,),
        dimensions,
    ),
    Part(
        "prior",
        "Do all codes together fill the prior?",
        "New images are made of codes drawn from the prior, a bell curve in each dimension. That works only where the "
        "codes of real images lie as the bell curve does, all of them taken together.",
        "Blue: codes of the test images. Orange: the bell curve. The table splits the information of the section before "
        "into what is of use and what is misfit.",
        "Good: the two agree. Bad: gaps or peaks of blue: codes drawn there belong to no image, and look it.",
        (VAE,),
        prior,
    ),
    Part(
        "likelihood",
        "How probable are images that it never saw?",
        "The model gives every image a probability. It cannot be computed exactly, but bounded: the ELBO, which training "
        "maximises, and tighter bounds that average k draws of z for each image (importance weighting, Burda et al. "
        "2015). Shown is minus the bound, in nats: how surprising the image is.",
        "The curve falls as k grows and flattens near the true value. The step from k = 1 shows how far the encoder's "
        "clouds are from the best ones.",
        "Good: low and soon flat. Bad: still falling at the largest k: the encoder misses where the image's codes are. "
        "Compare models on the same images only.",
        (VAE,),
        bounds,
    ),
    Part(
        "rate_distortion",
        "What a code costs and what it leaves unsaid",
        "Each dot is a model, trained with another weight of the KL. To the right, how much its codes say (rate); "
        "upwards, what they leave unsaid and the decoder has to guess (distortion).",
        "Along a dotted line the sum of both, minus the ELBO, is the same. Down and left is better.",
        "Good: the dot on the lowest dotted line, which weight 1 should give, as it is what it minimises. A small weight "
        "buys sharp images with codes that no longer fill the prior; a large one gives up on the codes.",
        (VAE,),
        rate_distortion,
        no_siblings,
    ),
)
