"""ft_utils.aio, the same module, by a name that no other package has."""

import sys

from ft_utils import aio

sys.modules[__name__] = aio
