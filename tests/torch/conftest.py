"""PyTorch is no dependency of nnkit: the tests in this folder are collected only where it is installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
