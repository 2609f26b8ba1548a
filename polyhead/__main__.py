"""`python -m polyhead`: the same as the `polyhead` command."""

import sys

from polyhead.cli import main

if __name__ == "__main__":
    sys.exit(main())
