"""Records to one-line JSON and back: the only file that knows pydantic's adapters for what is stored.

Reading is strict: no conversion between types, no unknown keys, so that a key with a typing error is never passed over
in silence. Writing is canonical: keys sorted, no spaces, floats as the shortest text that reads back to the same bits,
so that equal records are equal lines. A figure that is not finite is written as `NaN`, `Infinity` or `-Infinity`, as
Python's own json does. A stored line ends in a checksum of all that is before it.

Every top-level object has a `schema_version`. An older one is migrated step by step (`migrations`), a newer one is
refused. results/README.md has the history of the versions. Files and databases keep the lines as they were written:
a migration is applied to what is read, so it needs none of the tables of a database.

    python -m ssdbench.harness.stores.codec    # export the JSON schemas
"""

import json
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ssdbench.errors import SsdbenchError, StoreError
from ssdbench.harness.resources import resource
from ssdbench.harness.stores import strict_json
from ssdbench.harness.stores.migrations import (
    NESTED,
    Document,
    migrated,
    refuse_newer,
    version_of,
    with_known_failure,
)
from ssdbench.schema.acceptance import Acceptance
from ssdbench.schema.alert import Alerts
from ssdbench.schema.bisection import Bisection, Step
from ssdbench.schema.blame import Blame, BlameStep
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.convergence import ConvergenceVerdict, DistributionHeader
from ssdbench.schema.evaluation import CheckpointEvaluation
from ssdbench.schema.explanation import Explanation
from ssdbench.schema.image_evaluation import EvaluationQuestion, ImageComparison
from ssdbench.schema.limits import LimitsAnswer
from ssdbench.schema.manifest import ImageManifest
from ssdbench.schema.nightly import NightlyResult
from ssdbench.schema.profile import CaseProfile, LaunchProfile, ProfileHeader
from ssdbench.schema.record import Measurement, Record, RunHeader
from ssdbench.schema.roofline import Roofline
from ssdbench.schema.training import Training
from ssdbench.schema.verdict import BaselineHeader, Comparison

T = TypeVar("T")
_SEALED = (
    *(RunHeader, Record, BaselineHeader, Acceptance, DistributionHeader, NightlyResult, Alerts, ImageManifest),
    *(ProfileHeader, CaseProfile),
)
_FIRST_WITH_CHECKSUM = 3
_VERSION = re.compile(rb'"schema_version":([0-9]{1,9})')
_DATES: Mapping[type, tuple[str, ...]] = {
    RunHeader: ("created_at",),
    BaselineHeader: ("accepted_at", "measured_at"),
    Acceptance: ("accepted_at",),
    DistributionHeader: ("accepted_at",),
    NightlyResult: ("measured_at",),
    Alerts: ("updated_at",),
    ImageManifest: ("collected_at",),
    ProfileHeader: ("profiled_at",),
    CaseProfile: ("profiled_at",),
    LaunchProfile: ("started_at",),
    LimitsAnswer: ("measured_at",),
    Measurement: ("started_at",),
    Training: ("started_at",),
}

# Added to a schema version after records of it were written. Without a value they are omitted: lines of before stay
# the same, and an older ssdbench, which refuses keys that it does not know, reads all others.
_ADDED_KEYS = (
    *("cases", "cpu_quota_cores", "failed_afterwards", "follow_links", "job_step", "nightly", "node_images"),
    *("overlays", "side_by_side", "ceilings", "limits", "chosen"),
)

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}

_EXPORTED: Mapping[str, type] = {
    "run_header": RunHeader,
    "record": Record,
    "measurement": Measurement,
    "training": Training,
    "launch_request": LaunchRequest,
    "baseline_header": BaselineHeader,
    "acceptance": Acceptance,
    "comparison": Comparison,
    "checkpoint_evaluation": CheckpointEvaluation,
    "distribution_header": DistributionHeader,
    "convergence_verdict": ConvergenceVerdict,
    "roofline": Roofline,
    "bisection": Bisection,
    "bisection_step": Step,
    "blame": Blame,
    "blame_step": BlameStep,
    "nightly_result": NightlyResult,
    "alerts": Alerts,
    "evaluation_question": EvaluationQuestion,
    "image_comparison": ImageComparison,
    "image_manifest": ImageManifest,
    "launch_profile": LaunchProfile,
    "limits_answer": LimitsAnswer,
    "profile_header": ProfileHeader,
    "case_profile": CaseProfile,
    "explanation": Explanation,
}


def dump(value: object) -> str:
    """One line of canonical JSON, without a line feed, for any dataclass of `schema`."""
    return strict_json.canonical(_without_empty_additions(_adapter(type(value)).dump_python(value)))


def stored(value: object) -> str:
    """Like `dump`, with a checksum as the last key: what archives keep."""
    return strict_json.sealed(dump(value))


def plain_json(value: object) -> str:
    """One line of JSON for any dataclasses, mappings and sequences of them, as `dump` writes each."""
    return strict_json.canonical(TypeAdapter(Any).dump_python(value, mode="json"))


def _without_empty_additions(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    kept = {key: value for key, value in plain.items() if value is not None or key not in _ADDED_KEYS}
    for key, value in kept.items():
        if isinstance(value, dict):
            kept[key] = _without_empty_additions(value)
        elif key == "node_cpus":
            kept[key] = [_without_empty_additions(node) for node in value]
    return kept


def dump_request(request: LaunchRequest) -> str:
    """Like `dump`, without values that are the default: an older worker then knows every key it is given."""
    plain = _adapter(LaunchRequest).dump_python(request, exclude_defaults=True)
    # A worker of any version asks for it.
    plain["case"].setdefault("protocol", {})
    return strict_json.canonical(plain)


def read(kind: type[T], text: str | bytes, source: str, *, is_stored: bool = False) -> T:
    """The object of `kind` in one JSON text; `source` (file, line) begins the sentence of an error.

    A checksum is verified where there is one; where `is_stored`, lines of schema version 3 or newer must have it.

    Raises:
        StoreError: not JSON, changed since it was written, a newer schema version, a key that is missing, unknown or
            of the wrong type, or no date where one is due.
    """
    value = _read(kind, text.encode("utf-8", "replace") if isinstance(text, str) else text, source, is_stored)
    _require_dates(value, source)
    return value


def _read(kind: type[T], text: bytes, source: str, is_stored: bool) -> T:
    try:
        line = strict_json.unsealed(text)
        current = _read_current(kind, line) if line is not None else None
        if current is not None:
            return current
        document = strict_json.parsed(text)
    except strict_json.JsonError as error:
        refuse_newer(max((int(found) for found in _VERSION.findall(text)), default=0), source)
        if isinstance(error, strict_json.ChecksumError):
            raise StoreError(f"{source}: {error}; restore it from version control or a backup") from None
        raise StoreError(f"{source}: not a line of JSON ({error}); repair or remove it") from None
    if (
        is_stored
        and not strict_json.has_checksum(text)
        and kind in _SEALED
        and isinstance(document, dict)
        and _is_recent(document)
    ):
        raise StoreError(f"{source}: its checksum is missing: the line was changed after it was written; restore it")
    try:
        value: T = _adapter(kind).validate_json(json.dumps(with_known_failure(kind, migrated(kind, document, source))))
    except ValidationError as error:
        raise StoreError(f"{source}: {_first_fault(error)}; repair or remove it") from None
    except RecursionError:
        raise StoreError(f"{source}: nested too deeply; repair or remove it") from None
    except SsdbenchError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{source}: {error}") from None
    return value


def _is_recent(document: Document) -> bool:
    version = document.get("schema_version")
    return isinstance(version, int) and version >= _FIRST_WITH_CHECKSUM


def _require_dates(value: object, source: str) -> None:
    """Raises StoreError where a date is none, or says no offset."""
    inner = [getattr(value, key) for key in NESTED.get(type(value), {})]
    for part in (value, *inner):
        for name in _DATES.get(type(part), ()):
            text = getattr(part, name)
            try:
                offset = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text).tzinfo
            except ValueError:
                offset = None
            if offset is None:
                raise StoreError(
                    f"{source}: {name} {text!r:.60} is no date with an offset from UTC; repair or remove it"
                )


def _read_current(kind: type[T], text: bytes) -> T | None:
    """The object, where the text is sound and of the current version throughout; parsed once, as thousands are read."""
    try:
        value: T = _adapter(kind).validate_json(text)
    except (ValidationError, SsdbenchError):
        return None
    if not isinstance(value, kind):
        return None
    parts = [(kind, value), *((inner, getattr(value, key)) for key, inner in NESTED.get(kind, {}).items())]
    is_current = all(part is None or getattr(part, "schema_version", None) == version_of(of) for of, part in parts)
    return value if is_current else None


def read_measurement(text: str | bytes, source: str = "measurement.json") -> Measurement:
    """A worker's measurement; errors as `read`."""
    return read(Measurement, text, source)


def read_training(text: str | bytes, source: str = "training.json") -> Training:
    """A worker's log of a training; errors as `read`."""
    return read(Training, text, source)


def read_evaluation(text: str | bytes, source: str = "evaluation.json") -> CheckpointEvaluation:
    """A worker's figures of a checkpoint; errors as `read`."""
    return read(CheckpointEvaluation, text, source)


def read_profile(text: str | bytes, source: str = "profile.json") -> LaunchProfile:
    """A worker's profile of a launch; errors as `read`."""
    return read(LaunchProfile, text, source)


def read_limits(text: str | bytes, source: str = "limits.json") -> LimitsAnswer:
    """A worker's answer about limits; errors as `read`."""
    return read(LimitsAnswer, text, source)


def json_schemas() -> dict[str, str]:
    """File name -> JSON schema of everything that is stored, exchanged with a worker or printed by `--json`."""
    return {f"{name}.schema.json": _json_schema(kind) for name, kind in _EXPORTED.items()}


def _json_schema(kind: type) -> str:
    definitions: dict[str, Document] = _adapter(kind).json_schema()["$defs"]
    if kind in _SEALED or kind is Training:
        definitions[kind.__name__]["properties"][strict_json.CHECKSUM] = {"title": "Checksum", "type": "string"}
    for definition in definitions.values():
        # Versions of pydantic differ in both; the words stand in results/README.md.
        definition.pop("description", None)
        if definition["type"] == "object":
            definition["additionalProperties"] = False
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": f"#/$defs/{kind.__name__}",
        "$defs": {name: dict(sorted(definition.items())) for name, definition in sorted(definitions.items())},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _adapter(kind: type) -> TypeAdapter[Any]:
    # pydantic takes no configuration for a dataclass itself; inside a union the dataclasses inherit the adapter's.
    if kind not in _ADAPTERS:
        form: Any = kind | None
        _ADAPTERS[kind] = TypeAdapter(form, config=ConfigDict(strict=True, extra="forbid"))
    return _ADAPTERS[kind]


def _first_fault(error: ValidationError) -> str:
    faults = error.errors(include_url=False)
    first = faults[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if first["type"] == "unexpected_keyword_argument":
        return f"unknown key {place}{more}"
    if first["type"] == "missing":
        return f"missing key {place}{more}"
    return f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r:.40}{more}"


def export(folder: Path) -> None:
    """Write `json_schemas` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in json_schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    export(Path(sys.argv[1]) if len(sys.argv) > 1 else resource("json_schema"))
