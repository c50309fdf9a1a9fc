"""What Keras asks of the models, so that the models' own files hold the paper."""
