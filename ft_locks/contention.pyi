from ft_utils.contention import *
from ft_utils.contention import __all__ as __all__
