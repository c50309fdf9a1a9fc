"""`python -m unsupervised_learning.explore LOGS_DIR`: a finished run's measures and pictures, and a page that explains them.

`__main__` finds the run, its model and its data, and does the parts that fit: `latent_parts`, `vae_parts`, `gan_parts`. A part
computes (by `evaluation`), draws (`latent_plots`, `measure_plots`, `rotation`,
`interactive`), and says what it found; `rendering` makes the page and TensorBoard's events of that.
"""
