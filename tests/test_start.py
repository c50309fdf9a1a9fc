"""Importing the package defines no flags and sets no TF_ variables; `start.prepare` prepares a process."""

import subprocess
import sys

import pytest

from tests.support import REPOSITORY

IMPORT_ALL = """
import os, importlib, pkgutil
before = dict(os.environ)
import unsupervised_learning
for module in pkgutil.walk_packages(unsupervised_learning.__path__, "unsupervised_learning."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from absl import flags
assert "logs_dir" not in flags.FLAGS
assert not {name for name in os.environ if name.startswith("TF_")} - set(before), "the environment was changed"
"""


def python(program: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_imports_define_no_flags_and_set_no_tf_variables():
    done = python(IMPORT_ALL)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_prepare_is_silent_and_keeps_user_settings():
    program = """
import os
os.environ["TF_NUM_INTEROP_THREADS"] = "2"
from unsupervised_learning import start
start.prepare()
start.prepare()
import tensorflow as tf
tf.constant(1)
assert (os.environ["TF_NUM_INTEROP_THREADS"], os.environ["TF_ENABLE_ONEDNN_OPTS"]) == ("2", "1")
"""
    done = python(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("hindrance", ["tempfile.tempdir = '/proc/none'", "os.close(2); sys.stderr = None"])
def test_prepare_needs_no_temporary_file_and_no_terminal(hindrance):
    done = python(
        f"import os, sys, tempfile; from unsupervised_learning import start; {hindrance}; start.prepare(); import tensorflow"
    )
    assert (done.returncode, done.stdout) == (0, "")
