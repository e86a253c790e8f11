from ft_utils.aio import *
from ft_utils.aio import __all__ as __all__
