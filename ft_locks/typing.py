"""ft_utils.typing, the same module, by a name that no other package has."""

import sys

from ft_utils import typing

sys.modules[__name__] = typing
