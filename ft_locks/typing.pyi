from ft_utils.typing import *
from ft_utils.typing import __all__ as __all__
