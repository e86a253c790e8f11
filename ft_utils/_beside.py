"""Whether another package of the same import name lies over this one: Meta's ft_utils."""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES


def look() -> None:
    """Warn when `ft_utils.synchronization` is not ours, unless ft_locks is in use, which is never another's."""
    if "ft_locks" in sys.modules:
        return
    module = os.path.join(os.path.dirname(__file__), "synchronization")
    # Its module is an extension, and Python takes an extension before a file of Python code.
    if any(os.path.exists(module + suffix) for suffix in EXTENSION_SUFFIXES):
        import warnings

        warnings.warn(
            "Meta's ft_utils is installed in the same place as ft-utils-synchronization and hides the module "
            "ft_utils.synchronization of the latter; import ft_locks, which has the same names, instead",
            RuntimeWarning,
            stacklevel=3,
        )
