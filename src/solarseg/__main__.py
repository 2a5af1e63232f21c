"""``python -m solarseg`` is ``solarseg``."""

import sys

from solarseg.cli import main

if __name__ == "__main__":
    sys.exit(main())
