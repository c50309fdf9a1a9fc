"""One run: flags, the compiled loop, checkpoints, the run directory, several devices."""
