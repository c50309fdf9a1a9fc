"""Points to the new name of this command, `python -m unsupervised_learning.reproduce gan_notes`."""

import sys

if __name__ == "__main__":
    print("gan_notes.py: error: now called python -m unsupervised_learning.reproduce gan_notes", file=sys.stderr)
    sys.exit(2)
