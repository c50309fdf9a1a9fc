"""What Keras requires of the models, kept apart so that the models' own files contain only what the papers describe."""
