"""Which part of `ssdbench nightly` a run is, as its header keeps it."""

from __future__ import annotations

from dataclasses import field

from ssdbench.compatibility import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyStage:
    """What a run is measured for: `baseline` is the name of the stored baseline, or the run, to compare with.

    `follows` None is the run of the whole suite. Its `most_launches` holds, by case key, the launches of a case whose
    plan has only the first one: the others are measured if that leaves open whether the case has changed. Pairs have
    the id of the run of the whole suite, and by case key the reason why a case was `nominated` to be measured again
    (`schema.nightly.Nomination`). With `against_itself` both arms are the build of the baseline.
    """

    baseline: str
    follows: str | None = None
    nominated: dict[str, str] = field(default_factory=dict)
    against_itself: bool = False
    most_launches: dict[str, int] = field(default_factory=dict)
