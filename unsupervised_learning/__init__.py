"""The models of the 2016 post "A preliminary on generative modeling using neural networks", in Keras 3.

Importing it has no side effects. Call `start.prepare()` before importing TensorFlow for silent, fast and exact training.
"""
