"""One rank of one launch: `python -m ssdbench.worker CASE_JSON`, started by `ssdbench.worker.launch`."""

from __future__ import annotations

import os
import sys

from ssdbench.runtime.process import die_with_parent
from ssdbench.schema.case import LAUNCH_PROCESS


def main() -> int:
    """Measure, and end together with the launch, however early it ends."""
    die_with_parent(LAUNCH_PROCESS)
    # Imported only now: importing torch takes seconds, and a rank whose launch ends meanwhile would survive.
    from ssdbench.worker.rank import main

    return main()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All results are written. In a normal exit, threads of torch and gloo that still run sometimes abort the process
    # ("terminate called without an active exception"), and a good launch would count as failed.
    os._exit(code)
