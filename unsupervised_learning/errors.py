"""The one error whose message is an answer to a user, in one line; and what else is said in one line."""

import sys

KILLED = 128  # plus the number of the signal: exit status of a run that was stopped, as shells have it


class RunError(ValueError):
    """Something cannot start or go on: the message is one line that says what was received and what would be accepted.

    A script prints it on stderr and ends with `status`.
    """

    status = 2  # as argparse has it


def reason(error: BaseException) -> str:
    """Return an exception as one line of bounded length: TensorFlow's and tfds's fill a screen."""
    text = " ".join(str((isinstance(error, OSError) and error.strerror) or error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def warn(message: str) -> None:
    """Print one line on stderr."""
    print(f"WARNING: {' '.join(message.split())}", file=sys.stderr)
