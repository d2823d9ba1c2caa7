"""One rank of one launch: `python -m ssdbench.worker CASE_JSON`, started by torchrun."""

import os
import sys

from ssdbench.runtime.process import die_with_parent
from ssdbench.schema.case import LAUNCH_PROCESS


def main() -> int:
    """Measure, and end when the launch ends, however early that is."""
    die_with_parent(LAUNCH_PROCESS)
    # Only now: torch takes seconds to import, and a rank whose launch ended meanwhile would live on.
    from ssdbench.worker.rank import main

    return main()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is handed over. Threads of torch and gloo that are still about abort the process now and then when it takes
    # itself down in good order ("terminate called without an active exception"), and a sound launch would have failed.
    os._exit(code)
