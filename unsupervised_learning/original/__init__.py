"""The author's own artefacts of 2016: checkpoints, latent dumps and event files."""
