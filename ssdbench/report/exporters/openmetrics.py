"""A run as OpenMetrics text: every metric of every launch as a gauge."""

from ssdbench.report.exposition import exposition, family, run_family
from ssdbench.schema.exchange import ExportedRun
from ssdbench.schema.metrics import METRICS


def render(run: ExportedRun) -> str:
    """Gauges with the labels `case`, `hardware` and `launch`, and one that names the run."""
    hardware = run.header.hardware.key
    shared = {"hardware": hardware}
    return exposition(
        [
            run_family(run.header.run_id, hardware),
            *(
                family(
                    metric,
                    "",
                    [
                        ({"case": case.case.key, **shared, "launch": str(launch.launch)}, launch.figures[name])
                        for case in run.cases
                        for launch in case.launches
                        if name in launch.figures
                    ],
                )
                for name, metric in METRICS.items()
            ),
        ]
    )
