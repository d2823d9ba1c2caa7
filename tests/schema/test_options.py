"""The host knows the options that the workloads take."""

from dataclasses import fields

import pytest

from ssdbench.errors import UsageError
from ssdbench.schema.accuracy import AccuracyOptions
from ssdbench.schema.case import WORKLOADS
from ssdbench.schema.options import OPTIONS, case_options
from ssdbench.workloads.pace import PaceOptions


def test_every_workload_has_its_options_listed():
    assert set(OPTIONS) == set(WORKLOADS)
    assert set(OPTIONS["pace"]) - {"bind"} == {field.name for field in fields(PaceOptions)}
    assert set(OPTIONS["accuracy"]) - {"bind"} == {field.name for field in fields(AccuracyOptions)}


def test_usual_values_are_left_out_so_that_they_are_in_no_key():
    assert case_options("infer", {"timing": "streamed", "bind": "none"}) == {}
    assert case_options("infer", {"timing": "synchronised", "bind": "numa"}) == {
        "timing": "synchronised",
        "bind": "numa",
    }
    assert case_options("accuracy", {"bind": "none", "epochs": 3}) == {"epochs": 3}


@pytest.mark.parametrize("value", ["a" * 2001, "a\0b", "\x1b[2J", "a\nb", "\u202e"])
def test_a_text_that_is_too_long_or_cannot_be_printed_is_refused(value: str):
    with pytest.raises(UsageError, match="too long, or has a letter that cannot be printed"):
        case_options("accuracy", {"validation": value})


@pytest.mark.parametrize("value", [True, "1", -0.1, 10**400, float("inf"), float("nan")])
def test_seconds_are_a_number(value: object):
    with pytest.raises(UsageError, match="option step_seconds = "):
        case_options("pace", {"step_seconds": value})  # type: ignore[dict-item]
