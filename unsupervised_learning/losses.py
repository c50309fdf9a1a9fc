"""The losses as pure functions, each written once: train steps, test steps and evaluation all call these.

Unless a docstring says otherwise a loss is per image, shape [batch], in nats, summed over pixels or latent dimensions.
Where replicas share a batch a scalar loss is the replica's share of it: the shares add up to the whole batch's loss.
"""

from collections.abc import Iterable

import tensorflow as tf

from unsupervised_learning import replicas


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
    return sum_of_columns(tf.square(outputs - images)) / (2.0 * pixels)


def bernoulli_cross_entropy(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Minus log p(x|z) of a Bernoulli decoder (Kingma & Welling 2013, appendix C.1); 2016's `Entropy_loss`.

    For a pixel x and a logit l it is −x log σ(l) − (1 − x) log(1 − σ(l)) = max(l, 0) − l·x + log(1 + exp(−|l|)), where nothing
    can overflow. TensorFlow's own `sigmoid_cross_entropy_with_logits` is the same with log1p, with which loss and gradient take
    a quarter more time under XLA; log is off by 6e-8 nats a pixel at most, and has the same gradient.

    Args:
        images: [batch, pixels], in [0, 1].
        logits: [batch, pixels], before the sigmoid.

    Returns:
        [batch], nats, summed over pixels.
    """
    positive = logits >= 0  # and not tf.maximum, tf.abs: their gradients are 0 at logits of 0, as of a network that is dead
    larger, minus_size = tf.where(positive, logits, 0.0), tf.where(positive, -logits, logits)
    return sum_of_columns(larger - logits * images + tf.math.log(1.0 + tf.exp(minus_size)))


def gaussian_kl(mu: tf.Tensor, log_var: tf.Tensor) -> tf.Tensor:
    """KL(N(mu, exp(log_var)) || N(0, 1)), in the form that cannot round below zero; 2016's `KL_Divergence`.

    Departs from 2016: ½Σ(mu² + expm1(log_var) − log_var) instead of −½Σ(1 + log_var − mu² − exp(log_var)) because the post
    asks for a way to enforce that the KL is not negative. The two are equal on paper. But near log_var = 0, where dead heads
    lie, the plain form subtracts numbers near 1 from each other: whether the rounded result is below zero depends on the
    order of the terms and on how exp rounds. expm1(v) ≥ v holds for rounded numbers too.

    Args:
        mu: [batch, z_dim].
        log_var: [batch, z_dim].

    Returns:
        [batch], nats, at least 0, summed over latent dimensions.
    """
    return 0.5 * tf.reduce_sum(tf.square(mu) + (tf.math.expm1(log_var) - log_var), axis=-1)


def adversarial_cross_entropy(logits: tf.Tensor, real: bool) -> tf.Tensor:
    """Minus the log-probability that the discriminator gives to the label "real" or "fake" (Goodfellow et al. 2014, eq. 1).

    With the label "real" for fake images it is the generator's loss, the form that does not saturate.

    Args:
        logits: [batch, 1], the discriminator's.
        real: the label.

    Returns:
        Scalar, nats, averaged over the batch; ln 2 for a discriminator that cannot tell.
    """
    labels = tf.ones_like(logits) if real else tf.zeros_like(logits)
    return mean_over_batch(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


def feature_matching(feature_real: tf.Tensor, feature_fake: tf.Tensor, pixels: int) -> tf.Tensor:
    """2016's l2_loss(feature_real − feature_fake) / pixels: a sum over everything, the batch included.

    After Salimans et al. (2016, arXiv:1606.03498, section 3.1), who compare the means over the batch; 2016's code compares
    image by image, each real one with the fake that happens to stand at its place.

    Args:
        feature_real: [batch, height, width, channels], the discriminator's last convolution for real images.
        feature_fake: the same for fake ones.
        pixels: of an image, height · width.

    Returns:
        Scalar, at least 0; no unit.
    """
    return tf.nn.l2_loss(feature_real - feature_fake) / pixels


def l2_regularization(variables: Iterable[tf.Variable]) -> tf.Tensor:
    """2016's `Reg_loss`: half the sum of squares of every weight and bias, before the regularization weight.

    Returns:
        A scalar, at least 0; no unit.
    """
    total = tf.add_n([half_sum_of_squares(tf.convert_to_tensor(variable)) for variable in variables])
    return share_of(total)


def mean_over_batch(values: tf.Tensor) -> tf.Tensor:
    """The mean of values [batch, …], a scalar."""
    return share_of(tf.reduce_mean(values))


def share_of(loss: tf.Tensor) -> tf.Tensor:
    """A replica's share of a loss that the replicas have, all or on average."""
    return loss if replicas.count() == 1 else loss / replicas.count()


def half_sum_of_squares(values: tf.Tensor) -> tf.Tensor:
    """`tf.nn.l2_loss` of values of rank 1 or 2, a scalar."""
    return 0.5 * tf.reduce_sum(sum_of_columns(tf.square(values)) if values.shape.rank == 2 else tf.square(values))


def sum_of_columns(values: tf.Tensor) -> tf.Tensor:
    """[n, columns] → [n], a product with ones: on a CPU XLA multiplies so faster than it adds up, twice as fast for 784×50."""
    return tf.linalg.matvec(values, tf.ones(tf.shape(values)[1:], values.dtype))
