"""python -m ganglion.cli"""

import sys

from . import main

sys.exit(main())
