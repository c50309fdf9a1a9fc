"""Tags of the values in the event files, shared by the code that writes them and the code that reads them."""

# The GAN's losses: our names → 2016's tags.
GAN_LOSSES = {
    "discriminator_loss_real": "Discriminator_loss_real",
    "discriminator_loss_fake": "Discrimintator_loss_fake",  # 2016's spelling
    "discriminator_loss": "Discriminator_loss",
    "generator_loss": "Generator_loss",
}
# Our additions.
GRADIENT_NORM = "ours/first_layer_gradient_norm"  # followed by /<network>
FIXED_GRID = "ours/fixed_z"
KL_OF_DIMENSION = "ours/kl_of_dimension"  # followed by /<dimension>, counted from 1
MOST_DIMENSIONS = 20  # our choice: with more latent dimensions, their KLs are not logged one by one
TRUE_KL = "ours/kl_of_image"  # a histogram, in runs that log like the first published one
