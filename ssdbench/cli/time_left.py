"""How long the rest of a run takes: a range, from the forecast and from the launches that have ended."""

import math
from collections.abc import Mapping

from ssdbench.harness.forecast import Forecast

# How far a launch may be from its forecast: where it was measured before, and where it is guessed.
_MEASURED_RATIOS, _GUESSED_RATIOS = (0.8, 1.25), (0.4, 2.5)


class TimeLeft:
    """Learns from each launch of a run how long the others take."""

    def __init__(self, forecast: Forecast) -> None:
        self._forecast = forecast
        self._seconds: dict[str, list[float]] = {}
        self._ratios: list[float] = []

    def ended(self, case_key: str, seconds: float) -> None:
        """A launch of this case took `seconds`."""
        self._seconds.setdefault(case_key, []).append(seconds)
        if predicted := self._forecast.launch_seconds.get(case_key):
            self._ratios.append(seconds / predicted)

    def range(self, least: Mapping[str, int], most: Mapping[str, int]) -> tuple[float, float]:
        """The least and the most seconds that so many launches of each case (by its key) may take together."""
        low = sum(number * self._launch(key)[0] for key, number in least.items())
        return low, sum(number * self._launch(key)[1] for key, number in most.items())

    def _launch(self, key: str) -> tuple[float, float]:
        if seconds := self._seconds.get(key):
            margin = 1.1 if len(seconds) > 1 else 1.25
            return min(seconds) / margin, max(seconds) * margin
        predicted = self._forecast.launch_seconds.get(key, 0.0)
        if key not in self._forecast.guessed:
            low, high = _MEASURED_RATIOS
        elif len(self._ratios) > 1:  # the other guesses of this run say how far this one is off
            low, high = min(self._ratios) / 1.25, max(self._ratios) * 1.25
        else:
            low, high = _GUESSED_RATIOS
        return low * predicted, high * predicted


def range_text(low: float, high: float) -> str:
    """A range of seconds for people: `40 to 60 s`, `3 to 5 min`, `2 h 10 min to 3 h`; equal ends are one number."""
    if high < 100:
        step, unit = 5, "s"
    elif high < 100 * 60:
        if low < 60:
            return f"{5 * math.floor(low / 5)} s to {math.ceil(high / 60)} min"
        low, high, step, unit = low / 60, high / 60, 1, "min"
    else:
        step, unit = 10 * 60, ""
    first, last = step * math.floor(low / step), step * math.ceil(high / step)
    if unit:
        return f"{last} {unit}" if first >= last else f"{first} to {last} {unit}"
    return " to ".join(dict.fromkeys([_hours(first), _hours(last)]))


def _hours(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
