"""Points to the new name of this command, `python -m unsupervised_learning.reproduce reference`."""

import sys

if __name__ == "__main__":
    print("reference.py: error: now called python -m unsupervised_learning.reproduce reference", file=sys.stderr)
    sys.exit(2)
