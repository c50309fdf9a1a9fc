"""The models of the 2016 post "A preliminary on generative modeling using neural networks", in Keras 3.

`AutoEncoder`, `VariationalAutoEncoder` and `DCGAN` are imported when first used. Importing the package imports neither Keras
nor TensorFlow; it only arranges that Keras, once imported, finds them in `keras.saving.load_model`.
Call `start.prepare()` before importing Keras or TensorFlow for silent, fast and exact training.
"""

from unsupervised_learning import registration

registration.register()


def __getattr__(name: str):
    """Import a model when it is first used."""
    if name not in registration.MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return registration.model_class(name)


def __dir__() -> list[str]:
    return sorted([*globals(), *registration.MODELS])
