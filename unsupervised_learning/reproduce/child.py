"""Run a script or module that ends with its parent: `python child.py PARENT_ID (SCRIPT | -m MODULE) ARGUMENTS…`.

On Linux, the kernel sends SIGTERM to the process when its parent ends, even by kill -9, and a training then saves its state.
"""

import ctypes
import os
import runpy
import signal
import sys
from pathlib import Path

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG in linux/prctl.h

if __name__ == "__main__":
    parent, *words = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(128 + signal.SIGTERM)  # the parent ended before the line above
    sys.path[0] = str(Path(__file__).parents[2])
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
