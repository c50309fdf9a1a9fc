"""The parts that evaluate a VAE's bounds, latent dimensions and prior, with explanations for readers new to VAEs."""

import contextlib

import numpy as np

from unsupervised_learning.errors import RunError
from unsupervised_learning.evaluation import latent_draws, likelihood
from unsupervised_learning.explore import measure_plots
from unsupervised_learning.explore.subject import VAE, Found, Json, Part, Picture, Row, Subject, axis_names
from unsupervised_learning.monitoring.event_files import scalars_logged
from unsupervised_learning.monitoring.tags import KL_OF_DIMENSION, MOST_DIMENSIONS
from unsupervised_learning.training import finished_run

NOISE = 3  # purpose of random numbers; `latent_parts` uses 0 to 2


def dimensions(subject: Subject) -> Found:
    """KL of each dimension, at the end and during training."""
    kl, active = subject.importance, likelihood.active_units(subject.codes)
    names = axis_names(len(kl))
    title = "Information in each dimension"
    figure = measure_plots.bars(kl, names, title, "KL to the prior, nats per image")
    pictures = [Picture("kl_per_dimension", "The trained model on the test images.", figure)]
    logged = {
        name: scalars_logged(subject.run.path, f"{KL_OF_DIMENSION}/{number}")
        for number, name in enumerate(names[:MOST_DIMENSIONS], start=1)
    }
    logged = {name: course for name, course in logged.items() if course}
    if not logged and (total := scalars_logged(subject.run.path, "ours/validation/kl")):
        logged = {"all dimensions": total}  # older runs, and those with many dimensions, logged no KL per dimension
    if logged:
        course = measure_plots.courses(logged, "KL during training", "KL, nats per image")
        pictures.append(Picture("kl_through_training", "On the validation images, every 1,000 iterations.", course))
    count = active["count"]
    rows = (
        Row("KL, all dimensions", f"{kl.sum():.3f} nats", "0: nothing is encoded", "Total information that the codes carry."),
        Row("active dimensions", f"{count} of {len(kl)}", f"all {len(kl)}", "Dimensions whose mean has a variance above 0.01."),
    )
    bits = kl.sum() / np.log(2)
    summary = f"{count} of {len(kl)} dimensions are in use; together they carry {kl.sum():.2f} nats ({bits:.1f} bits)."
    return Found({"kl": float(kl.sum()), "kl_per_dimension": kl.tolist(), "active_units": active}, pictures, summary, rows)


def prior(subject: Subject) -> Found:
    """The aggregate posterior compared with the prior."""
    mu, log_var = subject.posterior
    numbers = likelihood.aggregate_posterior(mu, log_var, subject.seed)
    latents = latent_draws.of_posterior(mu, log_var, subject.random(NOISE))
    shown = np.sort(subject.dimensions[: measure_plots.MOST_PANELS])
    names = [f"z{number + 1}" for number in shown]
    figure = measure_plots.beside_normal(latents[:, shown], "One sample of z per test image, and the prior", names)
    rows = (
        Row(
            "information about the image",
            f"{numbers['mutual_information']:.3f} nats",
            f"at most {numbers['log_images']:.2f}",
            "The useful part of the KL: how well a z identifies the image it came from.",
        ),
        Row(
            "distance from the prior",
            f"{numbers['marginal_kl']:.3f} nats",
            "0",
            "The rest of the KL: how much the codes of all images together differ from the prior.",
        ),
    )
    summary = (
        f"Of the {numbers['kl']:.2f} nats of KL, {numbers['mutual_information']:.2f} are information about the image and "
        f"{numbers['marginal_kl']:.2f} are mismatch with the prior."
    )
    return Found(numbers, [Picture("aggregate_posterior", "One panel per dimension.", figure)], summary, rows)


def bounds(subject: Subject) -> Found:
    """Bounds on the negative log-likelihood of the test images."""
    k = subject.sizes.draws
    images, labels = subject.images[: subject.sizes.images], subject.labels[: subject.sizes.images]
    done, total = 0, len(images) * k[-1]

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
            "What training minimises, apart from weights." if row["k"] == 1 else "Closer to the true value; lower is better."
        )
        comparison = f"{spread}{row['images']:,} images"
        rows.append(Row(f"{name}, k = {row['k']:,}", f"{row['negative_bound']:.2f} nats", comparison, reading))
    summary = f"Per image: {', '.join(f'{value:.2f} nats for k = {number:,}' for number, value in by_k.items())}."
    if not numbers["binary"]:
        summary += (
            " These images are grey, so the values are losses, not true log-probabilities. Compare them only between models of "
            "the same images, not with published values for binarised MNIST."
        )
    picture = Picture("iwae_bound", f"Mean over {len(images):,} test images.", figure)
    return Found(numbers, [picture], summary, tuple(rows))


def siblings(subject: Subject) -> list[Json]:
    """The run and its siblings that differ only in kl_weight and seed; see `likelihood.rate_distortion`."""
    here = subject.run.path.resolve()
    runs: dict[str, tuple[Json, Json]] = {}
    for path in here.parent.glob("*/results.json"):
        with contextlib.suppress(RunError):
            run = finished_run.read(path.parent)
            numbers = {name: run.number(name) for name in ("kl", "reconstruction")}
            if isinstance(run.config["settings"].get("kl_weight"), int | float):
                runs[path.parent.name] = run.config, {**run.results, **numbers}
    return likelihood.rate_distortion(runs, like=here.name) if here.name in runs else []


def no_siblings(subject: Subject) -> str:
    """Tell why there is no curve to draw; an empty string if there is one."""
    if len({point["kl_weight"] for point in siblings(subject)}) > 1:
        return ""
    return (
        f"no run in the same folder differs from {subject.run.path.name} only in --kl_weight; train some, for example with "
        "python train_vae.py --kl_weight=0.1 --logs_dir=… and --kl_weight=10"
    )


def rate_distortion(subject: Subject) -> Found:
    """Rate and distortion of this run and of runs with other KL weights."""
    points = siblings(subject)
    here = subject.run.path.resolve().name
    named, seen = [], set()
    for point in points:
        name = "" if point["kl_weight"] in seen else f"kl_weight {point['kl_weight']:g}"
        seen.add(point["kl_weight"])
        named.append((name, point["rate"], point["distortion"]))
    chosen = [point["name"] for point in points].index(here)
    figure = measure_plots.rate_distortion(named, "Rate and distortion", chosen)
    best = min(points, key=lambda point: point["negative_elbo"])
    summary = f"{len(points)} runs; the best has kl_weight {best['kl_weight']:g} and −ELBO {best['negative_elbo']:.1f} nats."
    lengths = sorted({point["iterations"] for point in points if point["iterations"]})
    if len(lengths) > 1:
        summary += f" They were trained for {' to '.join(f'{length:,}' for length in (lengths[0], lengths[-1]))} iterations."
        summary += " The longer a model trains, the lower it lies."
    return Found({"points": points}, [Picture("rate_distortion", "Orange: this run.", figure)], summary)


PARTS = (
    Part(
        "dimensions",
        "Information in each dimension",
        "A VAE encodes each image not as a point but as a small cloud of codes. The prior is the same for every image, so "
        "the difference between cloud and prior tells how much information a dimension carries. The bars show this "
        "difference, the KL divergence, in nats. A nat is 1.44 bits.",
        "High bars are dimensions in use. The curves show when in training each came into use.",
        "Good: every bar well above zero. Bad: bars at zero; such a dimension has collapsed to the prior, and the decoder "
        "ignores it.",
        (VAE,),
        dimensions,
    ),
    Part(
        "prior",
        "Do the codes match the prior?",
        "New images are decoded from codes drawn from the prior, a normal distribution in each dimension. That works only if "
        "the codes of all real images together have the same distribution.",
        "Blue: codes of the test images. Orange: the prior. The table splits the KL into useful information and mismatch "
        "with the prior.",
        "Good: the two agree. Bad: gaps or peaks in the blue; codes drawn in a gap decode to poor images.",
        (VAE,),
        prior,
    ),
    Part(
        "likelihood",
        "How probable are unseen images?",
        "The model assigns a probability to every image. It cannot be computed exactly, but it can be bounded: by the ELBO, "
        "which training maximises, and by tighter bounds that average k draws of z per image (importance weighting, Burda "
        "et al. 2015). The figure shows minus the bound in nats: how surprising an image is.",
        "The curve falls as k grows and flattens near the true value. The drop from k = 1 shows how far the encoder's "
        "posterior is from the best one.",
        "Good: low and soon flat. Bad: still falling at the largest k; the encoder's posterior is a poor fit. Compare only "
        "models of the same images.",
        (VAE,),
        bounds,
    ),
    Part(
        "rate_distortion",
        "Rate and distortion",
        "Each dot is a model trained with a different KL weight. To the right: how much information its codes carry (rate). "
        "Upwards: what the codes leave out and the decoder has to guess (distortion).",
        "Along a dotted line the sum of both, minus the ELBO, is constant. Down and left is better.",
        "Good: the lowest dotted line. Weight 1 should reach it, because it minimises that sum. A small weight gives sharp "
        "images, but codes that no longer match the prior. A large one suppresses the information in the codes.",
        (VAE,),
        rate_distortion,
        no_siblings,
    ),
)
