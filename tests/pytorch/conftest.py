"""PyTorch is no dependency of nnkit: the tests in this folder are collected only where it is installed.

The folder is not called torch, for `import torch` would find it.
"""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
