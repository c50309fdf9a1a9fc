"""The models of the 2016 post "A preliminary on generative modeling using neural networks", in Keras 3.

`AutoEncoder`, `VariationalAutoEncoder` and `DCGAN` are imported when first used. Importing the package imports neither Keras
nor TensorFlow; it only arranges that importing Keras registers the models, so that `keras.saving.load_model` finds them.
Call `start.prepare()` before importing Keras or TensorFlow for silent, fast and exact training.
"""

import importlib

from unsupervised_learning import registration

registration.register()


def __getattr__(name: str):
    """Import a model when it is first used."""
    if name not in registration.MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{registration.MODELS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *registration.MODELS])
