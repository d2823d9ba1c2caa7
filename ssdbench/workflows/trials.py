"""One short launch in an image, to see whether a case runs there at all; nothing of it is kept but its folder."""

import secrets
from dataclasses import replace
from pathlib import Path

from ssdbench.harness import run_setup
from ssdbench.harness.cache import work_folder
from ssdbench.harness.run_setup import RunSetup
from ssdbench.schema import EXCHANGE_VERSION
from ssdbench.schema.case import LaunchRequest
from ssdbench.schema.record import Failure
from ssdbench.workflows.display import Display

_STEPS = 2


def try_once(setup: RunSetup, display: Display) -> tuple[Path, Failure | None]:
    """The folder of a launch of a plan's first case as the candidate, and why it does not run; None if it does.

    Raises:
        DataError, EnvironmentLacksError: the images cannot be made ready.
    """
    with display.images() as on_progress:
        data = run_setup.prepare_images(setup, on_progress)
    case = setup.plan.cases[0].case
    protocol = replace(case.protocol, warmup_steps=0, warmup_seconds=0.0, steps=_STEPS, timed_seconds=0.0)
    weights = setup.options.backbone_weights
    request = LaunchRequest(
        schema_version=EXCHANGE_VERSION,
        case=replace(case, protocol=protocol),
        launch=0,
        seed=setup.plan.seed,
        output=str((work_folder() / "trials" / secrets.token_hex(8)).absolute()),
        prepared_data=str(data.path) if data else None,
        # Workers run in another folder. What is not a file is a name that torchvision knows.
        backbone_weights=str(Path(weights).absolute()) if weights is not None and Path(weights).is_file() else weights,
        allow_download=setup.options.allow_download,
    )
    outcome = run_setup.build_launchers(setup)["candidate"].launch(request, lambda _event: None)
    return Path(request.output), outcome if isinstance(outcome, Failure) else None
