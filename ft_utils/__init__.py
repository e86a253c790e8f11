"""Locks for threaded Python: see ft_utils.synchronization."""

from ft_utils import _beside
from ft_utils._version import __version__

__all__ = ["__version__"]

_beside.look()
