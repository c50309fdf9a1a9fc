"""The VAE's summaries during training, and the outputs of a finished run."""

from pathlib import Path
from statistics import NormalDist

import numpy as np
import tensorflow as tf

from unsupervised_learning import layers
from unsupervised_learning.atomic_files import Json
from unsupervised_learning.data.dataset import Dataset, to_unit_interval
from unsupervised_learning.evaluation import latent_draws, likelihood, test_set
from unsupervised_learning.figures import scatters
from unsupervised_learning.monitoring.latent import LatentMonitor, as_pictures, manifold, write_table
from unsupervised_learning.monitoring.monitor import Extras, Record
from unsupervised_learning.monitoring.tags import KL_OF_DIMENSION, MOST_DIMENSIONS, TRUE_KL
from unsupervised_learning.vae import VariationalAutoEncoder


class VAEMonitor(LatentMonitor):
    """Monitor of the VAE. Its records show the state after the iteration's update, with fresh noise.

    Args:
        model: the model being trained.
        kl_constant: c in the logged KL, −½ Σ(c + log_var − mu² − exp(log_var)). 1 is correct. The graph of the first published
            run used 3, which makes the KL 1 nat per dimension too small. With any value other than 1, `Entropy_loss` and
            `KL_Divergence` are batch means, as in that run, and the true values are logged under `ours/`.
    """

    name = "VAE"
    record_every = 500  # 2016
    scatter_every = 10_000  # our choice
    prior = "z ~ N(0, 1)"

    def __init__(self, model: VariationalAutoEncoder, kl_constant: float = 1.0):
        self.model, self.kl_constant = model, kl_constant

    def record(self, images: tf.Tensor) -> Record:
        """Compute the values of 2016's VAE tags for a batch [batch, 784] in [0, 1]."""
        model, kl_constant = self.model, self.kl_constant
        noise = model.summary_noise(images)
        objective, gradients = model.gradients(images, noise)
        activations = vae_activations(model, images, noise)
        output = tf.sigmoid(model.decoder.get_layer("logits")(activations["decoder/hdfc_2"][:2]))  # from the sampled z
        if kl_constant == 1:
            losses = {}
            per_image = {"Entropy_loss": objective["reconstruction"], "KL_Divergence": objective["kl"]}
        else:
            kl, loss = tf.reduce_mean(objective["kl"]), objective["loss"]
            missing = 0.5 * (kl_constant - 1.0) * model.z_dim  # nats
            losses = {
                "Entropy_loss": tf.reduce_mean(objective["reconstruction"]),
                "KL_Divergence": kl - missing,
                "total_loss": loss - model.kl_weight * missing,
                "ours/KL_Divergence": kl,
                "ours/total_loss": loss,
            }
            per_image = {TRUE_KL: objective["kl"]}
        variables = model.variables_of_2016()
        gradient_of = {id(variable): gradient for variable, gradient in zip(model.trainable_variables, gradients, strict=True)}
        return Record(
            scalars={
                "total_loss": objective["loss"],
                "Reg_loss": objective["regularization"],
                **losses,
                **{f"{name}/sparsity": tf.nn.zero_fraction(value) for name, value in activations.items()},
            },
            histograms={
                **per_image,
                **{f"{name}/activation": value for name, value in activations.items()},
                **{name: tf.convert_to_tensor(variable) for name, variable in variables.items()},
                **{f"{name}/gradient": gradient_of[id(variable)] for name, variable in variables.items()},
            },
            images={"Input": as_pictures(images[:2]), "Output": as_pictures(output)},
        )

    def extras(self, dataset: Dataset, iteration: int) -> Extras:
        """Add the KL of each latent dimension, in nats, on the validation images."""
        extras = super().extras(dataset, iteration)
        if self.model.z_dim > MOST_DIMENSIONS:
            return extras
        mu, log_var = (head.numpy() for head in self.model.encode(dataset.validation.vectors))
        kl_per_dimension = likelihood.kl_per_dimension(mu, log_var)  # [z_dim], nats
        kls = {f"{KL_OF_DIMENSION}/{number}": float(kl) for number, kl in enumerate(kl_per_dimension, start=1)}
        return extras._replace(scalars={**extras.scalars, **kls})

    def write_outputs(self, logs_dir: Path, dataset: Dataset) -> Json:
        """Write the outputs of a finished run and return the results."""
        model = self.model
        images, labels = to_unit_interval(dataset.test.images), dataset.test.labels
        report, mu, log_var = test_set.vae_report(model, images, labels)
        latents = latent_draws.of_posterior(mu, log_var, np.random.default_rng(model.seed))
        # 2016's file: the sampled z and the label, as Python 2 printed floats, with 12 digits.
        write_table(logs_dir / "z_vae_output.csv", (latents, labels), ",".join(["%.12g"] * model.z_dim + ["%.1f\n"]))
        figures = {
            "latent_scatter": scatters.latent_scatter(latents, labels, "VAE: sampled z of the test set"),
            "latent_scatter_mu": scatters.latent_scatter(mu, labels, "VAE: mean of z, test set"),
        }
        if model.z_dim == 2:
            # Spaced evenly in prior probability (Kingma & Welling 2013, figure 4).
            values = np.array([NormalDist().inv_cdf(p) for p in np.linspace(0.02, 0.98, 20)])
            figures["manifold"] = manifold(model.decode, values, "VAE: images decoded over the latent plane")
        self.write_common(logs_dir, dataset, mu, figures)
        form = "vae_first" if model.relu_heads else "vae_fixed"
        return {**report, **self.baseline(dataset), **self.beside_2016(form, dataset)}


def vae_activations(model: VariationalAutoEncoder, images: tf.Tensor, noise: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return each layer's output under its 2016 name, without the logits, as in 2016."""
    outputs = {}
    hidden = images
    for name in ("hfc_1", "hfc_2"):
        hidden = outputs[f"encoder/{name}"] = model.encoder.get_layer(name)(hidden)
    for name in ("mu", "log_var"):
        outputs[f"encoder/{name}"] = model.encoder.get_layer(name)(hidden)
    hidden = layers.sample_latent(outputs["encoder/mu"], outputs["encoder/log_var"], noise)
    for name in ("hdfc_1", "hdfc_2"):
        hidden = outputs[f"decoder/{name}"] = model.decoder.get_layer(name)(hidden)
    return outputs
