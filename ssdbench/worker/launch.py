"""torchrun, with two things added: it dies with its parent, and it says how each rank ended.

`python -m ssdbench.worker.launch OUTPUT TORCHRUN-ARGUMENTS...`. torchrun's own exit code is 1 whatever happened; the
exit code or signal of each rank is written to OUTPUT/exits-<rank>.json, by the first that failed on each node.
"""

import json
import signal
import sys
from pathlib import Path

from ssdbench.runtime.process import die_with_parent, name_to_children
from ssdbench.schema.case import HOST_PROCESS, LAUNCH_PROCESS


def main() -> int:
    """Run torchrun in this process."""
    die_with_parent(HOST_PROCESS)
    name_to_children(LAUNCH_PROCESS)
    # A cluster asks all processes of a job where they stand: the ranks answer, and this one must not end by it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    # Only now: torch takes seconds to import, and a launch whose host ended meanwhile would live on.
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    output, arguments = Path(sys.argv[1]), sys.argv[2:]
    try:
        run.run(run.parse_args(arguments))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        exits = {rank: failure.exitcode for rank, failure in error.failures.items()}
        name = f"exits-{min(exits)}.json"
        part = output / f"{name}.part"
        part.write_text(json.dumps(exits), encoding="utf-8")
        part.replace(output / name)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
