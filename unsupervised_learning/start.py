"""Prepares a process for silent, fast and bit-exact training. Importing the package does none of this."""

import ctypes
import mmap
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

from unsupervised_learning import registration

_FATAL = "3"  # log only fatal errors; the others reach Python as exceptions
_NOISE = re.compile(rb"(I\d{4} |WARNING: All log messages before absl::InitializeLog)")


def prepare() -> None:
    """Prepare the process for TensorFlow: environment variables, memory, log lines. Call this before importing TensorFlow.

    The scripts call this. Without it, a process trains the same models, but
    - TensorFlow prints lines about missing GPUs (to see them in any case, set TF_CPP_MIN_LOG_LEVEL to 0, 1 or 2);
    - an iteration takes longer: a third of the VAE's time is spent on freeing and reallocating memory (see
      `keep_freed_memory`), and on CPUs without AVX-512 a GAN's convolutions run without oneDNN;
    - a resumed run may differ from an uninterrupted one in the last bits, because operations run in parallel.

    Environment variables set by the user are kept. Further calls have no effect. If Keras is set to another backend, the
    process ends here with one line.
    """
    if wrong := registration.other_backend():
        script = Path(sys.argv[0])
        name = script.parent.name if script.name == "__main__.py" else script.name
        print(f"{name}: error: {wrong}", file=sys.stderr)
        sys.exit(2)
    keep_freed_memory()
    # oneDNN's convolutions are off by default on CPUs without AVX-512; its transposed convolutions were 1.6 to 6 times as fast
    # as TensorFlow's own. With oneDNN, operations must run one at a time, each on all cores, because its rounding can vary if
    # they run in parallel.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    if "tensorflow" not in sys.modules:
        if os.environ.get("TF_CPP_MIN_LOG_LEVEL", _FATAL) == _FATAL:
            _import_tensorflow_quietly()
    elif "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
        _quiet_tensorflow(Path(sys.modules["tensorflow"].sysconfig.get_lib()))


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next allocation. Has no effect with other C libraries.

    TensorFlow makes glibc return freed blocks to the system at once (generator_dataset_op.cc: "Memory patch applied:
    M_TRIM_THRESHOLD=128 kb"). Each iteration frees its tensors and allocates the same sizes again. Mapping and zeroing these
    pages took a third of the VAE's time and a tenth of the GAN's.
    """
    top_pad, mmap_threshold = -2, -3  # malloc.h
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(library, "mallopt"):
        library.mallopt(mmap_threshold, 2**30)
        library.mallopt(top_pad, 2**26)


def _import_tensorflow_quietly() -> None:
    """Import TensorFlow with stderr captured, and print the captured lines except the usual start-up information.

    No setting of TensorFlow 2.21 suppresses these lines, because they are printed before its logging is initialised.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = _FATAL
    if sys.stderr is None:
        return  # closed, as by 2>&-
    try:
        caught = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
    except OSError:
        return  # as on a full disk; then these lines appear
    sys.stderr.flush()
    terminal = os.dup(2)
    with caught:
        os.dup2(caught.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)  # Ctrl-C before anything began: no traceback
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            caught.seek(0)
            for line in caught:
                if not _NOISE.match(line):
                    os.write(2, line)


def _quiet_tensorflow(folder: Path) -> None:
    """Stop the log lines of a TensorFlow that has been imported already, as by `import keras`; `folder` holds its libraries.

    By then TensorFlow has read the environment variable. The C++ function that sets the level has no Python binding, and its
    mangled name contains Abseil's version; so the name is looked up in the library. If it is not there, the lines appear.
    """
    for path in folder.glob("libtensorflow*.so.2"):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(b"14SetMinLogLevelE")
            if at >= 0:
                name = content[content.rfind(b"\0", 0, at) + 1 : content.find(b"\0", at)].decode()
                getattr(ctypes.CDLL(str(path)), name, lambda level: None)(int(_FATAL))
