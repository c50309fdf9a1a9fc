"""The error class for one-line messages to the user, and helpers for such messages."""

import sys

KILLED = 128  # a stopped run exits with this plus the signal number, as in shells


class RunError(ValueError):
    """The run cannot start or continue. The one-line message states what was received and what would be accepted.

    A script prints the message on stderr and exits with `status`.
    """

    status = 2  # as in argparse


def reason(error: BaseException) -> str:
    """Return an exception as one line of limited length, because those of TensorFlow and tfds can fill a screen."""
    text = " ".join(str((isinstance(error, OSError) and error.strerror) or error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def warn(message: str) -> None:
    """Print one line on stderr."""
    print(f"WARNING: {' '.join(message.split())}", file=sys.stderr)
