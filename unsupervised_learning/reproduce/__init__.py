"""The runs that the claims need, experiments on the author's GAN notes, and small copies of finished runs."""
