"""Runs torchrun such that it dies with its parent and reports how each rank ended.

`python -m ssdbench.worker.launch OUTPUT TORCHRUN-ARGUMENTS...`. torchrun's own exit code is 1 after any failure. The
exit code or signal of each rank on this node is written to OUTPUT/exits-<rank>.json, named after the lowest.
"""

import json
import signal
import sys
from pathlib import Path

from ssdbench.atomic import atomic_file
from ssdbench.runtime.process import die_with_parent, name_to_children
from ssdbench.schema.case import HOST_PROCESS, LAUNCH_PROCESS


def main() -> int:
    """Run torchrun in this process."""
    die_with_parent(HOST_PROCESS)
    name_to_children(LAUNCH_PROCESS)
    # Slurm sends the signal that asks for a stack trace to all processes of a job: ranks answer, this one ignores it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    # Imported only now: importing torch takes seconds, and a launch whose host ends meanwhile would survive.
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    output, arguments = Path(sys.argv[1]), sys.argv[2:]
    try:
        run.run(run.parse_args(arguments))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        exits = {rank: failure.exitcode for rank, failure in error.failures.items()}
        name = f"exits-{min(exits)}.json"
        with atomic_file(output / name) as part:
            part.write_text(json.dumps(exits), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
