"""ft_utils.contention, the same module, by a name that no other package has."""

import sys

from ft_utils import contention

sys.modules[__name__] = contention
