from ft_locks._names import *
from ft_locks._names import __all__ as __all__
