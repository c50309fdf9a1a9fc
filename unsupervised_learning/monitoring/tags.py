"""Names under which values stand in the event files, for those that write them and those that read them."""

# The GAN's losses: the model's names → 2016's tags.
GAN_LOSSES = {
    "discriminator_loss_real": "Discriminator_loss_real",
    "discriminator_loss_fake": "Discrimintator_loss_fake",  # spelt so in 2016
    "discriminator_loss": "Discriminator_loss",
    "generator_loss": "Generator_loss",
}
# Ours.
GRADIENT_NORM = "ours/first_layer_gradient_norm"  # followed by /<network>
FIXED_GRID = "ours/fixed_z"
KL_OF_DIMENSION = "ours/kl_of_dimension"  # followed by /<number of the dimension, from 1>
MOST_DIMENSIONS = 20  # our choice: of more than that the KL is not logged one by one
TRUE_KL = "ours/kl_of_image"  # a histogram, of a run that logs as the first published one did
