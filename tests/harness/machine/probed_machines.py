"""`probed_machines.py < MACHINES`: prints descriptions of the machines that the stub imitates, by name, as JSON."""

import json
import os
import sys
from dataclasses import asdict

from ssdbench.harness.machine.probe import probe_machine


def main() -> None:
    plain, told = dict(os.environ), {}
    for name, variables in json.load(sys.stdin).items():
        os.environ.clear()
        os.environ.update(plain | variables)
        machine = probe_machine()
        told[name] = {
            "key": machine.hardware.key.partition("--")[0],
            "hardware": asdict(machine.hardware),
            "driver": machine.host.driver,
            "gpus": [asdict(gpu) for gpu in machine.host.gpus],
            "links": machine.host.interconnect,
            "reason": machine.no_gpu_reason,
            "remarks": machine.remarks,
        }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
