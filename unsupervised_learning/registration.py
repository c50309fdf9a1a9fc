"""Makes the models known to Keras as soon as Keras is imported, so that `keras.saving.load_model` finds their classes.

Keras knows a class only after its module has been imported. The package cannot import the models itself: they import
TensorFlow, which takes seconds and has to come after `start.prepare`. So Keras gets a stand-in for each class.
"""

import importlib
import json
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

MODELS = {"AutoEncoder": "autoencoder", "VariationalAutoEncoder": "vae", "DCGAN": "gan"}  # class → module


class StandIn:
    """Stands for a model's class in Keras's registry, until importing the class replaces it."""

    def __init__(self, name: str):
        self.name = name

    def from_config(self, config):
        """Import the class, and return its model with this configuration."""
        return model_class(self.name).from_config(config)


def model_class(name: str):
    """Import a model's class."""
    return getattr(importlib.import_module(f"unsupervised_learning.{MODELS[name]}"), name)


def register_stand_ins() -> None:
    """Give Keras, which has been imported, a stand-in for each class that it does not know yet."""
    known = sys.modules["keras"].saving.get_custom_objects()
    for name in MODELS:
        known.setdefault(f"unsupervised_learning>{name}", StandIn(name))


def other_backend() -> str | None:
    """Return a one-line error message if Keras uses, or will use, a backend other than TensorFlow; None otherwise."""
    if "keras" in sys.modules:
        backend = sys.modules["keras"].config.backend()
    else:
        backend = os.environ.get("KERAS_BACKEND") or configured_backend()
    if backend == "tensorflow":
        return None
    return f"the models need Keras's TensorFlow backend: set KERAS_BACKEND=tensorflow. Received: {backend}"


def configured_backend() -> str:
    """Return the backend in Keras's configuration file."""
    file = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    try:
        return json.loads(file.read_text())["backend"]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return "tensorflow"  # Keras's default


class WithKeras(MetaPathFinder):
    """Import hook: registers the stand-ins after Keras is imported. With another backend, it refuses to import Keras.

    Raises:
        ImportError: from `import keras`, if its backend is not TensorFlow.
    """

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        """Return how to import Keras; None for every other module."""
        if fullname != "keras":
            return None
        if wrong := other_backend():
            raise ImportError(wrong)
        found = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((one for one in found if one), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_register(module) -> None:
                execute(module)
                register_stand_ins()

            spec.loader.exec_module = execute_and_register
        return spec


def register() -> None:
    """Register the stand-ins now if Keras has been imported, and otherwise when it is.

    Raises:
        ImportError: Keras has been imported with another backend.
    """
    if "keras" not in sys.modules:
        sys.meta_path.insert(0, WithKeras())
    elif wrong := other_backend():
        raise ImportError(wrong)
    else:
        register_stand_ins()
