"""ft_utils.contention, the same module and the same command line, by a name that no other package has."""

import sys

from ft_utils import contention

if __name__ == "__main__":
    from ft_utils._profiling.command import main

    sys.exit(main())

sys.modules[__name__] = contention
