"""The exceptions of ssdbench: every one is a sentence for the user, and knows its exit code.

A user can catch the whole family by `SsdbenchError`. Anything else that escapes is a defect of ours and keeps its
traceback (exit code 1, Python's own).
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes; documented in `ssdbench --help`."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    REGRESSED = 3
    CASE_FAILED = 4
    INCONCLUSIVE = 5
    NOT_COVERED = 6
    BAD_DATA = 7
    ENVIRONMENT = 8
    NOTHING_NEW = 9
    CREPT = 10
    SELF_TEST = 11
    ATTENTION = 12
    INTERRUPTED = 130


EXIT_CODES: dict[ExitCode, str] = {
    ExitCode.OK: "success",
    ExitCode.INTERNAL: "a defect of ssdbench (with traceback)",
    ExitCode.USAGE: "wrong usage, suite or stored file",
    ExitCode.REGRESSED: "a case regressed",
    ExitCode.CASE_FAILED: "a case failed",
    ExitCode.INCONCLUSIVE: "inconclusive: the data support no verdict",
    ExitCode.NOT_COVERED: "not covered: no baseline, or not measured",
    ExitCode.BAD_DATA: "a data set or checkpoint is wrong",
    ExitCode.ENVIRONMENT: "this machine lacks something that is needed",
    ExitCode.NOTHING_NEW: "no new container image (`containers new`)",
    ExitCode.CREPT: "creep, with `--fail-on-creep`",
    ExitCode.SELF_TEST: "the self-test saw a fault here (`selftest`)",
    ExitCode.ATTENTION: "something needs attention (`watch`)",
    ExitCode.INTERRUPTED: "interrupted; `--resume` continues",
}


class SsdbenchError(Exception):
    """Base class: the message is one sentence that names the place, the fault and the remedy."""

    exit_code = ExitCode.INTERNAL


class UsageError(SsdbenchError):
    """The command line, a suite or a case asks for something that does not exist or cannot be."""

    exit_code = ExitCode.USAGE


class StoreError(SsdbenchError):
    """A stored file (record, baseline) is missing, unreadable, or of an unknown schema version."""

    exit_code = ExitCode.USAGE


class StoreUnreachableError(StoreError):
    """A store did not answer, or cannot take anything now; another time it may."""

    exit_code = ExitCode.ENVIRONMENT


class DataError(SsdbenchError):
    """A data set, an image, an annotation file or a checkpoint is missing or wrong."""

    exit_code = ExitCode.BAD_DATA


class EnvironmentLacksError(SsdbenchError):
    """Something that the request needs is not on this machine: a package, a GPU, a network."""

    exit_code = ExitCode.ENVIRONMENT


class NotFiniteError(SsdbenchError):
    """A loss became infinite or not a number during a measurement."""

    exit_code = ExitCode.CASE_FAILED
