"""Documents of an earlier schema version -> the current one, step by step."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from ssdbench.errors import StoreError
from ssdbench.schema import EXCHANGE_VERSION, SCHEMA_VERSION
from ssdbench.schema.acceptance import Acceptance
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.limits import LimitsAnswer
from ssdbench.schema.profile import LaunchProfile
from ssdbench.schema.record import FailureKind, Measurement, Record, RunHeader
from ssdbench.schema.training import Training

Document = dict[str, Any]
Migration = Callable[[Document], Document]

VERSIONS: Mapping[type, int] = dict.fromkeys(
    (LaunchRequest, Measurement, LaunchProfile, LimitsAnswer, Training, CheckpointEvaluation), EXCHANGE_VERSION
)
"""The versions of what host and worker exchange; everything else is of `SCHEMA_VERSION`."""

_FAILURES = get_args(FailureKind)
_STAGES = {"B": "measure", "C": "confirm"}


def _renamed(document: Document, old: str, new: str) -> Document:
    return {new if key == old else key: value for key, value in document.items()}


def _name_the_stage(record: Document) -> Document:
    return {**record, "stage": _STAGES.get(record["stage"], record["stage"])} if "stage" in record else record


def _name_the_baseline_arm(header: Document) -> Document:
    header = _renamed(header, "control", "baseline_arm")
    if isinstance(header.get("settings"), dict):
        header["settings"] = _renamed(header["settings"], "fresh_pair_cap", "confirm_pair_cap")
    return header


def _name_the_accepted_regressions(acceptance: Document) -> Document:
    return _renamed(acceptance, "lowered", "accepted_regressions")


def _name_the_rule(header: Document) -> Document:
    settings = header.get("settings", {})
    return {**header, "settings": {"rule": "fixed", **settings}} if isinstance(settings, dict) else header


# (kind, version it reads) -> the document as the next version writes it; a kind without a row did not change in that
# step. The caller counts `schema_version` up, and migrates nested documents (`NESTED`) before the one around them.
MIGRATIONS: Mapping[tuple[type, int], Migration] = {
    (Record, 1): _name_the_stage,
    (RunHeader, 1): _name_the_baseline_arm,
    (Acceptance, 1): _name_the_accepted_regressions,
    (RunHeader, 3): _name_the_rule,
}

NESTED: Mapping[type, Mapping[str, type]] = {Record: {"measurement": Measurement, "training": Training}}


def version_of(kind: type) -> int:
    """The current schema version of a kind."""
    return VERSIONS.get(kind, SCHEMA_VERSION)


def with_known_failure(kind: type, document: Document) -> Document:
    """A failed launch is one, whatever a newer ssdbench calls the kind of its failure."""
    failure = document.get("failure") if kind is Record else None
    if not isinstance(failure, dict) or not isinstance(failure.get("kind"), str) or failure["kind"] in _FAILURES:
        return document
    message = f"{failure['kind']}: {failure.get('message', '')}"
    return {**document, "failure": {**failure, "kind": "crash", "message": message}}


def migrated(kind: type, found: Any, source: str) -> Document:
    """The document in the current schema version: the same object where it already is.

    Raises:
        StoreError: no version, or a version that this program does not know.
    """
    document: Document = found if isinstance(found, dict) else {}
    version = document.get("schema_version")
    if type(version) is not int or version < 1:
        raise StoreError(f"{source}: no schema_version, so this is not a {kind.__name__} of ssdbench; check the path")
    current = version_of(kind)
    refuse_newer(version, source, current)
    for key, inner_kind in NESTED.get(kind, {}).items():
        inner = document.get(key)
        if inner is not None and (newer := migrated(inner_kind, inner, f"{source}: {key}")) is not inner:
            document = {**document, key: newer}
    for step in range(version, current):
        migration = MIGRATIONS.get((kind, step))
        document = {**(migration(document) if migration else document), "schema_version": step + 1}
    return document


def refuse_newer(version: int, source: str, current: int = SCHEMA_VERSION) -> None:
    """Raises StoreError for a version that this program does not know."""
    if version > current:
        raise StoreError(
            f"{source}: written in schema version {version} by a newer ssdbench, this one reads up to {current}; "
            "update ssdbench"
        )
