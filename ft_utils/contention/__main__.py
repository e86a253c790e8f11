import sys

from ft_utils.contention._command import main

if __name__ == "__main__":
    sys.exit(main())
