"""Set ModelTab up, and then serve, build, test or lint it: `python run.py --help` lists the commands.

Needs Python 3.11 or newer and Node.js with npm, nothing else. The work is done by the modules in tools/.
"""

import sys

OLDEST_PYTHON = (3, 11)

if sys.version_info < OLDEST_PYTHON:
    sys.exit(
        "ModelTab needs Python 3.11 or newer, and this is Python {}.{}.\n"
        "Install a newer one, then start run.py with it, for example: python3.12 run.py".format(*sys.version_info[:2])
    )

from tools.cli import main  # noqa: E402  (an old Python cannot read what this imports)

if __name__ == "__main__":
    sys.exit(main())
