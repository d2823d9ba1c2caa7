"""Names and types that the host side and the device side each define for themselves, since neither imports the other.

A change on one side alone fails here.
"""

import importlib
import pkgutil
import re
import sys
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

from ssdbench import workloads
from ssdbench.harness.datasets import synthesise
from ssdbench.harness.memory import FOOTPRINTS
from ssdbench.harness.toml_tables import read_toml
from ssdbench.runtime.device import Device
from ssdbench.schema import accuracy, case
from ssdbench.schema.record import Measurement, SyntheticData
from ssdbench.schema.software_needs import OLDEST_DALI, OLDEST_PYTHON, OLDEST_TORCH
from ssdbench.schema.training import Evaluation, EvaluationEngine, EvaluationProtocol
from ssdbench.schema.work import FORWARD_GFLOP_PER_IMAGE
from ssdbench.ssd import backbone, evaluate, pipelines, synthetic, training
from ssdbench.ssd.pipelines.contract import PipelineOptions

ROOT = Path(__file__).parents[1]
PYPROJECT = read_toml(ROOT / "pyproject.toml")["project"]


def with_functions(package: ModuleType, *functions: str) -> set[str]:
    """The modules of a package that have all these functions."""
    names = {module.name for module in pkgutil.iter_modules(package.__path__)}
    modules = {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}
    return {name for name, module in modules.items() if all(hasattr(module, function) for function in functions)}


def typed_fields(kind: type[Any]) -> list[tuple[str, object]]:
    hints = get_type_hints(kind)
    return [(field.name, hints[field.name]) for field in fields(kind)]


def floors(requirements: list[str]) -> dict[str, tuple[int, ...]]:
    """The oldest version of each package, by its name."""
    found = (re.match(r"([\w-]+)>=([\d.]+)", requirement) for requirement in requirements)
    return {match[1]: tuple(map(int, match[2].split("."))) for match in found if match}


def test_the_figures_of_an_evaluation_are_the_same() -> None:
    assert typed_fields(Evaluation) == typed_fields(evaluate.Evaluation)


def test_protocols_and_engines_of_evaluations_are_the_same() -> None:
    assert get_args(EvaluationProtocol) == get_args(evaluate.Protocol)
    assert get_args(EvaluationEngine) == get_args(evaluate.CocoEngine) == accuracy.ENGINES


def test_backbones_are_the_same() -> None:
    assert case.BACKBONES == backbone.BACKBONES == tuple(FOOTPRINTS) == tuple(FORWARD_GFLOP_PER_IMAGE)


def test_a_synthetic_data_set_is_described_alike() -> None:
    assert typed_fields(SyntheticData) == typed_fields(synthetic.SyntheticSpec)


def test_a_synthetic_data_set_is_made_as_it_was_asked_for(tmp_path: Path) -> None:
    asked = SyntheticData(train_images=1, val_images=2, seed=3, easy=True)
    assert all(field.default is MISSING or getattr(asked, field.name) != field.default for field in fields(asked))
    made = synthesise(sys.executable, tmp_path / "images", asked, lambda _event: None)
    assert made.items() >= asdict(asked).items()


def test_recipes_are_the_same() -> None:
    assert set(accuracy.RECIPES) == set(training.RECIPES)


def test_every_workload_that_a_case_can_name_is_there_and_no_other() -> None:
    measured = {name for name, traits in case.WORKLOADS.items() if traits.gated_metric is not None}
    assert measured == with_functions(workloads, "open_workload")
    assert set(case.WORKLOADS) - measured == with_functions(workloads, "Accuracy")


def test_every_pipeline_that_a_case_can_name_is_there_and_no_other() -> None:
    assert set(case.PIPELINES) == with_functions(pipelines, "training", "validation")


def test_a_pipeline_decodes_where_a_case_can_ask_for_it() -> None:
    assert get_args(get_type_hints(PipelineOptions)["decode"]) == case.DECODES == get_args(case.Decode)


def test_a_record_knows_the_timers_of_devices() -> None:
    assert get_args(get_type_hints(Measurement)["timer"]) == get_args(get_type_hints(Device)["timer"])


@pytest.mark.parametrize(("package", "oldest"), [("torch", OLDEST_TORCH), ("nvidia-dali-cuda110", OLDEST_DALI)])
def test_nothing_is_installed_that_could_not_measure(package: str, oldest: tuple[int, ...]) -> None:
    extras = PYPROJECT["optional-dependencies"]
    assert floors([*extras["worker"], *extras["dali-cuda110"]])[package] >= oldest


def test_the_device_side_is_linted_for_the_oldest_python_that_may_measure() -> None:
    targets = set(read_toml(ROOT / "pyproject.toml")["tool"]["ruff"]["per-file-target-version"].values())
    assert targets == {f"py{''.join(map(str, OLDEST_PYTHON))}"}
