"""The story of the report in the post's own order: what it says, and which figures go where."""

from typing import NamedTuple


class Section(NamedTuple):
    """One section: its anchor, title, paragraphs (plain text), the claims it answers, and the exhibits that follow them."""

    anchor: str
    title: str
    paragraphs: tuple[str, ...]
    exhibits: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()  # texts of `claims.CLAIMS`


SECTIONS = (
    Section(
        "autoencoder",
        "The autoencoder",
        (
            "The post begins with an autoencoder. It squeezes each digit of 784 pixels through three numbers and redraws it. "
            "No one tells it which digit it sees, yet images of the same digit get similar codes. Our runs show the same. The "
            "axes mean nothing by themselves: another seed turns and mirrors the cloud.",
        ),
        ("autoencoder_scatter_0", "autoencoder_scatter_20000", "autoencoder_loss"),
        (
            "The autoencoder's code separates the digits",
            "The autoencoder reconstructs as well as in 2016",
            "The autoencoder beats PCA with 3 components",
        ),
    ),
    Section(
        "vae",
        "The variational autoencoder",
        (
            "A VAE answers with a Gaussian instead of a point: a mean (mu) and a log variance (log_var) per dimension. Its "
            "loss adds the KL, which pulls every Gaussian towards N(0, 1), so that one can draw z from N(0, 1) and decode it. "
            "The post trained two forms. The first applied relu to mu and log_var as well; the second, fixed form did not. The "
            "author reports three observations.",
        ),
        ("generated_digits",),
        ("The fixed VAE reaches its ELBO of 2016", "The means of the fixed VAE separate the digits"),
    ),
    Section(
        "reconstruction",
        "First observation: the reconstruction dominates",
        (
            "It does. The reconstruction is a sum over 784 pixels and the KL a sum over three dimensions. In 2016's fixed VAE "
            "the reconstruction is 125.1 nats and the KL 8.6. We measured the ratio at three weights of the KL.",
        ),
        claims=("The reconstruction dominates the KL",),
    ),
    Section(
        "log-var",
        "Second observation: log_var goes to zero",
        (
            "This is the relu's doing. Behind a relu, log_var cannot be negative, so sigma cannot be below 1. The best that "
            "training can do is to push log_var to zero, and a head that is negative for all images gets no gradient: it "
            "seldom comes back. Without the relu, log_var moves to about −6 and each image gets a place of its own.",
        ),
        ("vae_first_distributions", "vae_first_scatter", "vae_fixed_distributions", "vae_fixed_scatter"),
        ("In the first VAE log_var goes to zero", "In the fixed VAE log_var moves away from zero"),
    ),
    Section(
        "negative-kl",
        "Third observation: the KL gets negative",
        (
            "A KL cannot be negative. The author's published code is right, but the graph saved beside the first run's "
            "checkpoint is not: it computes −½ Σ(3 + log_var − mu² − exp(log_var)), with a 3 where 1 belongs. In three "
            "dimensions that logs 3 nats too little. A constant has no gradient, so training was not affected: only the logged "
            "number was wrong.",
        ),
        claims=("Training sometimes ends up with a negative KL", "The KL must not be negative"),
    ),
    Section(
        "gan",
        "The GAN and the notes",
        (
            "The post ends with a GAN on faces and flowers, after a first attempt on digits that failed. Ours was trained on "
            "flowers and digits. The author's notes say what made it work: small initial weights, batch normalization with "
            "decay 0.9, feature matching added to the adversarial loss. They are tested one at a time by "
            "“python -m unsupervised_learning.reproduce”; docs/gan.md has the results.",
        ),
        ("gan_losses", "gan_flowers", "gan_samples"),
        ("The 64×64 GAN's losses begin with a spike and then stay level", "During GAN training D's loss falls and G's rises"),
    ),
)
ESTABLISHED = (
    "The settings of each run were read from the graph that its checkpoint or event file holds, because the newest code is not "
    "always the code that ran.",
    "The author's own graphs can still be run. Our models were followed beside them from the same weights, images and noise "
    "(“python -m unsupervised_learning.original follow”). The docs say how closely they agree, and where bit for bit.",
    "Golden files keep the trajectories of the author's network, loss and update code. The tests compare our models with them.",
    "Each experiment with a claim about numbers is run with several seeds, and the author's graph is trained from its own "
    "initialisers with several seeds too.",
)
