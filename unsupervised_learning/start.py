"""Prepares a process for training: silent, fast, and exact to the last bit. Importing the package does none of this."""

import ctypes
import os
import re
import sys
import tempfile

_NOISE = re.compile(rb"(I\d{4} |WARNING: All log messages before absl::InitializeLog)")


def prepare() -> None:
    """Set what TensorFlow reads when it is imported, and import it. Call this before anything that imports TensorFlow.

    The scripts do. A process that imports the package without it trains the same models, but
    - TensorFlow prints lines about missing GPUs (set TF_CPP_MIN_LOG_LEVEL to 0, 1 or 2 to see them after all);
    - an iteration takes longer: a third of the VAE's time goes to memory that is given back and taken anew (see
      `keep_freed_memory`), and on CPUs without AVX-512 a GAN's convolutions run without oneDNN;
    - a resumed run may differ from an uninterrupted one in the last bits, because operations run side by side.

    Environment variables that the user has set stay as they are. A second call changes nothing.
    """
    keep_freed_memory()
    # oneDNN's convolutions, which TensorFlow leaves off on CPUs without AVX-512: the transposed ones were 1.6 to 6 times as
    # fast. With them one operation at a time, each on all cores: side by side they do not always round alike.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3") == "3" and "tensorflow" not in sys.modules:
        _import_tensorflow_quietly()


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next allocation, where it is glibc.

    TensorFlow tells it to hand freed blocks back to the system at once (generator_dataset_op.cc: "Memory patch applied:
    M_TRIM_THRESHOLD=128 kb"). Each iteration frees its tensors and allocates the same again, and to have every page mapped and
    zeroed anew took a third of the VAE's time and a tenth of the GAN's.
    """
    top_pad, mmap_threshold = -2, -3  # malloc.h
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(library, "mallopt"):
        library.mallopt(mmap_threshold, 2**30)
        library.mallopt(top_pad, 2**26)


def _import_tensorflow_quietly() -> None:
    """Import TensorFlow with stderr caught, and pass on whatever is not its usual start-up information.

    No setting of TensorFlow 2.21 silences these lines: they are printed before its logging is initialised.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # from here on only fatal errors: Python sees the others as exceptions
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            caught.seek(0)
            for line in caught:
                if not _NOISE.match(line):
                    os.write(2, line)
