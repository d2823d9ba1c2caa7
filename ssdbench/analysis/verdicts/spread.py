"""How much the launches of an arm spread: variances of trimmed means, shrunk over the cases of a run.

Three launches say little about their spread. The other cases of the run say more: their variances have a distribution,
and a case's own is drawn towards it (empirical Bayes). With s^2 the variance of a case's launches at f degrees of
freedom, and an inverse-gamma prior of variance s0^2 at f0 degrees of freedom,

    shrunk variance   (f0 s0^2 + f s^2) / (f0 + f)   at f0 + f degrees of freedom

s0^2 and f0 are fitted to the first launches of all cases by the mean and the variance of ln(s^2). Where cases are
unlike one another f0 is small, and each case keeps its own variance. Three quarters of the fitted f0 are used, and at
most a quarter of the number of other cases, as few cases tell little of their distribution. Each arm has its own prior.

A single noisy case among quiet ones hardly changes the fit, and would be judged by the spread of the others. So a case
whose launches spread more than the prior explains (an F test at f and f0 degrees of freedom; at 10 %, of sessions at
2 %) has none.

Smyth, G. K. (2004), Linear models and empirical Bayes methods for assessing differential expression, Statistical
Applications in Genetics and Molecular Biology 3; Yuen, K. K. (1974), The two-sample trimmed t for unequal population
variances, Biometrika 61; Phipson, B. et al. (2016), Robust hyperparameter estimation protects against hypervariable
genes, Annals of Applied Statistics 10. docs/decisions/0008-sequential-verdict-rule.md has the derivation,
0012-unlike-cases-and-arms.md the test.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

MOST_PRIOR_FREEDOM = 20.0
PRIOR_SHARE = 0.75
"""Share of the fitted degrees of freedom that is used: spreads of real cases have longer tails than the prior."""
WIDER_LEVEL = 0.1
"""Level of the test of whether the launches of a case spread more than their prior explains."""
WIDER_SESSIONS_LEVEL = 0.02
"""The same of its sessions: the few of a baseline say so little alone that a false "wider" costs a case its pairs."""
_LEAST_EXCESS = 1e-3
TRIMMED_VARIANCE = 1.1
"""Variance of a mean of normal launches of which a fifth is trimmed at each end, over that of their plain mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """The prior of the variance of one launch, and its degrees of freedom: arrays that broadcast with the cases."""

    variance: "Floats"
    freedom: "Floats"

    def of(self, chosen: "NDArray[np.intp]") -> "Prior":
        """The prior of these cases."""
        return Prior(variance=self.variance[chosen], freedom=self.freedom[chosen])

    def without(self, wider: "Flags") -> "Prior":
        """The same, and none for the cases of `wider`."""
        import numpy as np

        return Prior(variance=self.variance, freedom=np.where(wider, 0.0, self.freedom))


def fit_prior(variances: "Floats", freedom: int, floor: float) -> Prior:
    """The prior of variances of shape (..., cases), each at `freedom`; its arrays have the shape (..., 1).

    `floor` is the least variance that is believed. One case has no prior: its freedom is 0.
    """
    import numpy as np
    from scipy.special import digamma, polygamma

    cases = variances.shape[-1]
    if cases < 2:
        shape = (*variances.shape[:-1], 1)
        return Prior(variance=np.ones(shape), freedom=np.zeros(shape))
    logs = np.log(np.maximum(variances, floor)) - digamma(freedom / 2) + np.log(freedom / 2)
    centre = logs.mean(axis=-1, keepdims=True)
    excess = logs.var(axis=-1, ddof=1, keepdims=True) - polygamma(1, freedom / 2)
    # Where the variances differ by no more than chance, the prior is as narrow as is allowed.
    fitted = 2 * _inverse_trigamma(np.maximum(excess, _LEAST_EXCESS))
    most = min(MOST_PRIOR_FREEDOM, (cases - 1) / 4)
    return Prior(
        variance=np.exp(centre + digamma(fitted / 2) - np.log(fitted / 2)),
        freedom=np.minimum(PRIOR_SHARE * fitted, most),
    )


def is_wider(
    ratio: "Floats", freedom: "Floats | float", prior_freedom: "Floats", level: float = WIDER_LEVEL
) -> "Flags":
    """Whether cases spread more than their prior explains.

    `ratio` is their variance at `freedom` over that of the prior at `prior_freedom`; without a prior none does.
    """
    import numpy as np
    from scipy.special import fdtrc

    explained = fdtrc(freedom, np.maximum(prior_freedom, 1e-9), ratio)
    found: Flags = (prior_freedom > 0) & (explained < level)
    return found


def trimmed(logs: "Floats", trim: float) -> "tuple[Floats, Floats, Floats]":
    """Trimmed mean, variance of that mean and its degrees of freedom (Yuen), of arrays (..., launches).

    int(trim * n) launches are left out at each end.
    """
    import numpy as np

    launches = logs.shape[-1]
    cut = int(trim * launches)
    left = launches - 2 * cut
    ordered = np.sort(logs, axis=-1)
    centre = ordered[..., cut : launches - cut].mean(axis=-1)
    if cut:
        ordered[..., :cut] = ordered[..., cut : cut + 1]
        ordered[..., launches - cut :] = ordered[..., launches - cut - 1 : launches - cut]
    variance = ordered.var(axis=-1, ddof=1) * (launches - 1) / (left * (left - 1))
    return centre, variance, np.full_like(variance, left - 1.0)


def shrunk(variance: "Floats", freedom: "Floats | float", prior: Prior, factor: float = 1.0) -> "tuple[Floats, Floats]":
    """The variance at `freedom` drawn towards `factor` times that of the prior, and its degrees of freedom."""
    drawn = (prior.freedom * prior.variance * factor + freedom * variance) / (prior.freedom + freedom)
    return drawn, freedom + prior.freedom


def variance_factor(launches: int, trim: float) -> float:
    """Variance of the trimmed mean of so many launches, over that of one launch."""
    return (TRIMMED_VARIANCE if int(trim * launches) else 1.0) / launches


def _inverse_trigamma(values: "Floats") -> "Floats":
    """x with trigamma(x) = value, for values above 0, by Newton's method on 1 / trigamma, which is nearly straight."""
    import numpy as np
    from scipy.special import polygamma

    found = 0.5 + 1 / values
    for _ in range(20):
        trigamma = polygamma(1, found)
        step = trigamma * (1 - trigamma / values) / polygamma(2, found)
        found = found + step
        if np.all(np.abs(step) < 1e-9 * found):
            break
    return found
