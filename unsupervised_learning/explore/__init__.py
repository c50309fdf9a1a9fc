"""`python -m unsupervised_learning.explore LOGS_DIR …`: measures, figures and a page that explains a finished run.

`__main__` loads the run, its model and its data, and runs the parts that apply: `play`, `gan_play`, `latent_parts`,
`vae_parts`, `gan_parts`. `play` and `gan_play` put the weights into the page (`embedded`), where `web/` computes with them.
A part computes (`evaluation`), draws (`latent_plots`, `measure_plots`, `rotation`, `interactive`) and summarises its
findings. `rendering` turns these into the page and TensorBoard events.
"""
