"""The losses as pure functions, each written once: train steps, test steps and evaluation all call these.

Each gives one value for each image, [batch], summed over pixels or latent dimensions, in nats unless it says otherwise. The
models say how a batch's values make one loss: 2016 averaged some over the batch and summed others.
"""

from collections.abc import Iterable

import tensorflow as tf

from unsupervised_learning import kernels


def squared_error(images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """2016's autoencoder loss for each image: half the sum of squared differences, divided by the number of pixels.

    Summed over the batch this is `l2_loss(output - input) / 784` of the 2016 code, which does not average.

    Args:
        images: [batch, pixels], in [0, 1].
        outputs: [batch, pixels], unbounded.

    Returns:
        [batch], at least 0; no unit.
    """
    pixels = tf.cast(tf.shape(images)[-1], images.dtype)
    return kernels.sum_rows(tf.square(outputs - images)) / (2.0 * pixels)


def bernoulli_cross_entropy(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Minus log p(x|z) of a Bernoulli decoder (Kingma & Welling 2013, appendix C.1); 2016's `Entropy_loss`.

    Args:
        images: [batch, pixels], in [0, 1].
        logits: [batch, pixels], before the sigmoid.

    Returns:
        [batch], nats, summed over pixels.
    """
    return kernels.sum_rows(kernels.sigmoid_cross_entropy_with_logits(labels=images, logits=logits))


def gaussian_kl(mu: tf.Tensor, log_var: tf.Tensor) -> tf.Tensor:
    """KL(N(mu, exp(log_var)) || N(0, 1)), in the form that cannot round below zero; 2016's `KL_Divergence`.

    Departs from 2016: ½Σ(mu² + expm1(log_var) − log_var) instead of −½Σ(1 + log_var − mu² − exp(log_var)) because the post
    asks for a way to keep the KL from being negative. On paper the two are equal. Near log_var = 0, where dead heads lie, the
    plain form subtracts numbers near 1 from each other and may round below zero. expm1(v) ≥ v holds for rounded numbers too.

    Args:
        mu: [batch, z_dim].
        log_var: [batch, z_dim].

    Returns:
        [batch], nats, at least 0, summed over latent dimensions.
    """
    return 0.5 * tf.reduce_sum(tf.square(mu) + (tf.math.expm1(log_var) - log_var), axis=-1)


def adversarial_cross_entropy(logits: tf.Tensor, real: bool) -> tf.Tensor:
    """Minus the log-probability that the discriminator gives to the label "real" or "fake" (Goodfellow et al. 2014, eq. 1).

    With the label "real" for fake images it is the generator's loss, in the form that does not saturate.

    Args:
        logits: [batch, 1], the discriminator's.
        real: the label.

    Returns:
        [batch], nats; ln 2 for a discriminator that cannot tell.
    """
    labels = tf.ones_like(logits) if real else tf.zeros_like(logits)
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)[:, 0]


def feature_matching(feature_real: tf.Tensor, feature_fake: tf.Tensor, pixels: int) -> tf.Tensor:
    """Half the squared distance between the features of a real and a fake image, divided by the number of pixels.

    Summed over the batch this is 2016's `l2_loss(feature_real − feature_fake) / pixels`, which does not average. Salimans et
    al. (2016, arXiv:1606.03498, section 3.1) compare the batch's mean features; 2016's code compares image by image, each real
    one with the fake that happens to stand in its place.

    Args:
        feature_real: [batch, height, width, channels], the discriminator's last convolution for real images.
        feature_fake: the same for fake ones.
        pixels: of an image, height · width.

    Returns:
        [batch], at least 0; no unit.
    """
    return tf.reduce_sum(tf.square(feature_real - feature_fake), axis=(1, 2, 3)) / (2 * pixels)


def l2_regularization(variables: Iterable[tf.Variable]) -> tf.Tensor:
    """2016's `Reg_loss`: half the sum of squares of every weight and bias, before the regularization weight.

    Returns:
        A scalar, at least 0; no unit.
    """
    return tf.add_n([kernels.l2_loss(tf.convert_to_tensor(variable)) for variable in variables])
