"""Launches on this machine: a fresh torchrun for every launch, in a process tree that is watched to its end."""

import os
from pathlib import Path

from ssdbench.harness.launchers.diagnosis import LOG
from ssdbench.harness.launchers.following import FollowingLauncher, worker_command, worker_variables
from ssdbench.harness.launchers.process import SOURCE, ProcessTree, worker_environment
from ssdbench.schema.case import LaunchRequest


class LocalLauncher(FollowingLauncher):
    """Starts workers with the interpreter `python` and the ssdbench of `source`: together, the thing under test."""

    def __init__(self, python: str, source: Path = SOURCE) -> None:
        self._python = python
        self.source = source

    def _start(self, request: LaunchRequest, case_file: Path) -> ProcessTree:
        # All ranks are here: gloo need not look for a network interface by a host name that may not resolve.
        additions = {"GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"), **worker_variables(request)}
        environment = worker_environment(additions, self.source)
        return ProcessTree(worker_command(self._python, request, case_file), environment, case_file.parent / LOG)
