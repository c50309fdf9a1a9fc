"""A warning in the terminal: the author's sign that a GAN has failed."""

import keras
from tqdm import tqdm

from unsupervised_learning.evaluation.gan_diagnostics import NEAR_ZERO, NEAR_ZERO_PATIENCE


class NearZeroWarning(keras.callbacks.Callback):
    """Warns once when the discriminator's loss stays near zero: it tells every fake image, and the generator learns less."""

    def on_train_begin(self, logs=None):
        """Begin anew."""
        self.last_above, self.warned = int(self.model.model.iterations), False

    def on_epoch_end(self, epoch, logs=None):
        """Look at the loss of the newest update."""
        iteration, loss = int(self.model.model.iterations), (logs or {})["discriminator_loss"]
        if not loss < NEAR_ZERO:
            self.last_above = iteration
        elif iteration - self.last_above >= NEAR_ZERO_PATIENCE and not self.warned:
            self.warned = True
            tqdm.write(
                f"WARNING: the discriminator's loss has been below {NEAR_ZERO} for {NEAR_ZERO_PATIENCE} iterations ({loss:.2g} "
                f"at {iteration:,}; equilibrium is 1.386). It tells every fake image: in 2016 the sign of a failed run."
            )
