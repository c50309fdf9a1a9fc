"""The autoencoder, VAE and GAN of the 2016 post "A preliminary on generative modeling using neural networks", in Keras 3."""
