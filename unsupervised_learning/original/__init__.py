"""Tools for the author's 2016 artefacts: checkpoints, latent dumps, graphs and event files."""
