"""The models of the 2016 post "A preliminary on generative modeling using neural networks", in Keras 3.

Importing the package has no side effects. For silent, fast and exact training, call `start.prepare()` before importing
TensorFlow.
"""
