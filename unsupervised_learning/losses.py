"""Loss functions, shared by training, testing and evaluation.

Each returns one value per image, [batch], summed over pixels or latent dimensions, in nats unless stated otherwise. The models
reduce these values to one loss: 2016 averaged some losses over the batch and summed others.
"""

from collections.abc import Iterable

import tensorflow as tf

from unsupervised_learning import kernels


def squared_error(images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the 2016 autoencoder loss per image: half the sum of squared differences, divided by the number of pixels.

    The 2016 loss, `l2_loss(output - input) / 784`, is the sum of these over the batch, not the mean.

    Args:
        images: [batch, pixels], in [0, 1].
        outputs: [batch, pixels], unbounded.

    Returns:
        [batch], at least 0; no unit.
    """
    pixels = tf.cast(tf.shape(images)[-1], images.dtype)
    return kernels.sum_rows(tf.square(outputs - images)) / (2.0 * pixels)


def bernoulli_cross_entropy(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return −log p(x|z) of a Bernoulli decoder (Kingma & Welling 2013, appendix C.1); `Entropy_loss` in 2016.

    Args:
        images: [batch, pixels], in [0, 1].
        logits: [batch, pixels], before the sigmoid.

    Returns:
        [batch], nats, summed over pixels.
    """
    return kernels.sum_rows(kernels.sigmoid_cross_entropy_with_logits(labels=images, logits=logits))


def gaussian_kl(mu: tf.Tensor, log_var: tf.Tensor) -> tf.Tensor:
    """Return KL(N(mu, exp(log_var)) || N(0, 1)), in a form that cannot round below zero; `KL_Divergence` in 2016.

    Departs from 2016: ½Σ(mu² + expm1(log_var) − log_var) instead of −½Σ(1 + log_var − mu² − exp(log_var)) because the post
    asks how to keep the KL from becoming negative. The two are mathematically equal. Near log_var = 0, the value of dead
    heads, the usual form subtracts numbers close to 1 and may round below zero. expm1(v) ≥ v also holds after rounding.

    Args:
        mu: [batch, z_dim].
        log_var: [batch, z_dim].

    Returns:
        [batch], nats, at least 0, summed over latent dimensions.
    """
    return 0.5 * tf.reduce_sum(tf.square(mu) + (tf.math.expm1(log_var) - log_var), axis=-1)


def adversarial_cross_entropy(logits: tf.Tensor, real: bool) -> tf.Tensor:
    """Return minus the discriminator's log-probability of the label "real" or "fake" (Goodfellow et al. 2014, eq. 1).

    For fake images with the label "real", this is the non-saturating generator loss.

    Args:
        logits: [batch, 1], from the discriminator.
        real: whether the label is "real".

    Returns:
        [batch], nats; ln 2 if the discriminator cannot tell real from fake.
    """
    labels = tf.ones_like(logits) if real else tf.zeros_like(logits)
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)[:, 0]


def feature_matching(feature_real: tf.Tensor, feature_fake: tf.Tensor, pixels: int) -> tf.Tensor:
    """Return half the squared distance between features of real and fake images, divided by the number of pixels.

    The 2016 loss, `l2_loss(feature_real − feature_fake) / pixels`, is the sum of these over the batch, not the mean. Salimans
    et al. (2016, arXiv:1606.03498, section 3.1) compare mean features of the batches. The 2016 code compares image i of the
    real batch with image i of the fake batch.

    Args:
        feature_real: [batch, height, width, channels], the discriminator's last convolution for real images.
        feature_fake: the same for fake images.
        pixels: pixels per image, height · width.

    Returns:
        [batch], at least 0; no unit.
    """
    return tf.reduce_sum(tf.square(feature_real - feature_fake), axis=(1, 2, 3)) / (2 * pixels)


def l2_regularization(variables: Iterable[tf.Variable]) -> tf.Tensor:
    """Return half the sum of squares of all weights and biases, unweighted; `Reg_loss` in 2016.

    Returns:
        A scalar, at least 0; no unit.
    """
    return tf.add_n([kernels.l2_loss(tf.convert_to_tensor(variable)) for variable in variables])
