"""The runs that the claims ask for, the notes on GANs as experiments, and small copies of finished runs."""
