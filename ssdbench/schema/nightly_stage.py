"""Which part of `ssdbench nightly` a run is, as its header keeps it."""

from __future__ import annotations

from dataclasses import field

from ssdbench.compatibility import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyStage:
    """What a run is measured for: `baseline` is the name of the stored baseline, or the run, to compare with.

    `follows` None is the run of the whole suite. Pairs have the id of that run, and by case key the reason why a case
    was `nominated` to be measured again (`schema.nightly.Nomination`). With `against_itself` both arms are the build of
    the baseline.
    """

    baseline: str
    follows: str | None = None
    nominated: dict[str, str] = field(default_factory=dict)
    against_itself: bool = False
