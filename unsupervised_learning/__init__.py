"""The models of the 2016 post "A preliminary on generative modeling using neural networks", in Keras 3.

Importing the package does nothing. Before TensorFlow is imported, `start.prepare()` makes training silent, fast and exact.
"""
