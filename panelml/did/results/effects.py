"""Effects of a policy by cohort, period or horizon, and their averages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from panelml.arguments import checked, checked_methods
from panelml.did.core.aggregation import Cells, LinearMap
from panelml.did.results.averages import Averages, averages_of, label_text
from panelml.did.results.effect_tie import EffectTie, effect_covariance
from panelml.did.results.plot_effects import plot_grid, plot_horizons
from panelml.errors import SpecificationError
from panelml.inference.bands import critical_value
from panelml.inference.covariance import CovLike
from panelml.inference.estimate import Estimate
from panelml.inference.influence import UnitInfluence
from panelml.inference.replications import Jackknife
from panelml.inference.testing import TestResult
from panelml.inference.wald import wald_test
from panelml.results.adapters.maketables import MaketablesPlugin
from panelml.results.fitted import Attached, named
from panelml.results.show.display import Shown
from panelml.results.show.formats import number
from panelml.results.show.summary import Summary, summarize

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = [
    "EffectResults",
    "event_study_plot",
    "require_effects",
]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class EffectResults(Shown, MaketablesPlugin):
    """Estimated effects; the attributes beyond these are those of every result.

    Attributes
    ----------
    labels : DataFrame
        For each effect, as far as they apply: its ``cohort`` and ``time`` as the user writes
        them, its ``horizon`` in periods since adoption, and its ``size``, by which averages
        weight it.
    cells : Cells, or None
        The same in steps of time, for effects by cohort and time.
    references : tuple of int
        Horizons that are zero by normalisation.
    anticipation : int
        Periods before adoption in which there may be effects already.
    overall : EffectResults, or None
        The single average of averaged effects.
    cov_spec : str or covariance
        How the covariance was estimated; averages take the same.
    averaging : dict, or None
        Of averages, what ``aggregate`` was asked for.
    """

    labels: pd.DataFrame
    cells: Cells | None = None
    references: tuple[int, ...] = ()
    anticipation: int = 0
    overall: EffectResults | None = None
    cov_spec: CovLike = "cluster"
    averaging: Mapping[str, Any] | None = None

    def aggregate(
        self,
        by: str | Mapping[str, Any] | Callable[[pd.DataFrame], Any] = "simple",
        *,
        balance: int | None = None,
        min_horizon: int | None = None,
        max_horizon: int | None = None,
    ) -> EffectResults:
        """Average effects by cohort and time.

        Parameters
        ----------
        by : str, mapping or callable
            ``"simple"``: all effects from adoption on, weighted by the size of their cohorts.
            ``"group"``: for each cohort over its periods; ``"calendar"``: for each period over
            its cohorts; ``"event"``: for each horizon, leads included. A callable takes
            ``labels`` and returns a name for each effect, missing to leave it out; a mapping
            gives weights for each name, one for each effect, which are used as they are.
        balance : int, optional
            For ``"event"``: only cohorts observed for so many periods after adoption, so that
            the same ones make up every horizon up to this one.
        min_horizon, max_horizon : int, optional
            For ``"event"``: the window of horizons.

        Returns
        -------
        EffectResults
            Its ``overall`` is the single average: for ``"event"`` and ``"calendar"`` the mean
            over horizons from 0 on, and over periods; for ``"group"`` weighted by cohort size.

        Raises
        ------
        SpecificationError
            If these are not effects by cohort and time, their standard errors come from the
            jackknife, or no effect is left to average.
        DetachedResultError
            If the result was pickled.
        """
        if self.cells is None:
            raise SpecificationError(
                f"{self.model} has no effects by cohort and time left to average."
            )
        if isinstance(self.cov_spec, Jackknife):
            raise SpecificationError(
                "Average first, then leave clusters out: the weights of averages change without "
                "them, too."
            )
        window = (min_horizon, max_horizon)
        found = averages_of(self.cells, self.labels, self._estimates, by, balance, window)
        asked = {
            "by": by,
            "balance": balance,
            "min_horizon": min_horizon,
            "max_horizon": max_horizon,
        }
        overall = None
        if found.overall is not None:
            overall = self._averaged(found.single(), None)
        return replace(self._averaged(found, overall), averaging=asked)

    def limited(self, first: int, last: int) -> EffectResults:
        """Keep the effects at horizons from ``first`` to ``last``.

        Raises
        ------
        SpecificationError
            If these are not effects by horizon, or none is left.
        """
        frame = self.event_frame(band=False)
        keep = np.flatnonzero(frame["horizon"].between(first, last).to_numpy())
        if not keep.size:
            raise SpecificationError(f"No effect is at a horizon from {first} to {last}.")
        rows = np.eye(len(self.params))[keep]
        linear = LinearMap(rows, np.zeros_like(rows))
        names = [str(name) for name in self.params.index[keep]]
        found = Averages(names, self.labels.iloc[keep], linear, None, "")
        kept = self._averaged(found, self.overall)
        return replace(kept, model=self.model, references=self.references)

    def with_cov(self, cov: CovLike) -> Self:
        """Return the result with another covariance, its overall effect included."""
        covariance = effect_covariance(self.attached, cov)
        overall = self.overall.with_cov(cov) if self.overall else None
        return replace(self, covariance=covariance, overall=overall, cov_spec=cov)

    def pretrend_test(self) -> TestResult:
        """Test that all effects before adoption, and before its anticipation, are zero.

        Raises
        ------
        SpecificationError
            If there are none, or they are measured from a period at or after adoption.
        """
        if self.references and min(self.references) >= -self.anticipation:
            raise SpecificationError(
                f"The reference of {self.model} is horizon {min(self.references)}, at or after "
                "adoption: effects before adoption are measured from it and hold its effect. Take "
                "a reference before adoption to test pre-trends."
            )
        horizon = self.labels.get("horizon")
        early = [] if horizon is None else np.flatnonzero(horizon < -self.anticipation).tolist()
        early = [i for i in early if self.covariance.matrix[i, i] > 0]
        if not early:
            raise SpecificationError(f"{self.model} estimates no effects before adoption.")
        return wald_test(
            np.eye(len(self.params))[early],
            list(self.params.index),
            self._estimates,
            self.covariance.matrix,
            self.df_t,
            name="Test of pre-trends",
            null=f"the {len(early)} effects before adoption are zero",
            rule=self.covariance.rule,
        )

    def model_test(self) -> TestResult | None:
        """Test pre-trends; None where no effect before adoption is estimated."""
        try:
            return self.pretrend_test()
        except SpecificationError:
            return None

    def conf_band(self, level: float = 0.95, *, reps: int = 10_000, seed: int = 0) -> pd.DataFrame:
        """Return intervals that cover all effects at once, columns lower and upper.

        Where the covariance comes from a bootstrap, by its draws; otherwise by ``reps`` draws
        from the normal distribution with the estimated covariance.

        Notes
        -----
        Source: Montiel Olea and Plagborg-Møller (2019), *Journal of Applied Econometrics* 34,
        1-17: sup-t bands.

        Raises
        ------
        SpecificationError
            If the level is not between 0 and 1.
        """
        half = critical_value(self.covariance, level, reps=reps, seed=seed) * self.std_errors
        return pd.DataFrame({"lower": self.params - half, "upper": self.params + half})

    def tidy(self, level: float = 0.95) -> pd.DataFrame:
        """Return a flat frame with one row for each effect: its labels, then as ``Results``."""
        flat = super().tidy(level)
        labels = self.labels.reset_index(drop=True)
        return pd.concat([flat[["term"]], labels, flat.drop(columns="term")], axis=1)

    def summary(self, level: float = 0.95) -> Summary:
        """Return what there is to read about the effects."""
        found = summarize(self, level)
        if self.overall is None:
            return found
        [(low, high)] = self.overall.conf_int(level).to_numpy().tolist()
        words = (
            f"{number(self.overall.params.iloc[0])} (std. error "
            f"{number(self.overall.std_errors.iloc[0])}, {100 * level:g}% interval "
            f"{number(low)} to {number(high)})"
        )
        return replace(found, facts=(("Overall effect", words), *found.facts))

    def plot(
        self,
        terms: str | Sequence[str] | None = None,
        *,
        level: float = 0.95,
        ax: Axes | None = None,
        band: bool = True,
    ) -> Axes:
        """Plot effects by horizon as an event study, by cohort and period as a grid of colours.

        Others, or some ``terms``, as coefficients.

        Parameters
        ----------
        terms : str or sequence of str, optional
        level : float
        ax : matplotlib Axes, optional
        band : bool
            Whether event studies show intervals that cover all effects at once.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        if terms is not None or not {"cohort", "horizon"} & set(self.labels.columns):
            return super().plot(terms, level=level, ax=ax)
        if self.cells is not None:
            texts = self.labels[["cohort", "time"]].map(
                lambda label: None if pd.isna(label) else label_text(label)
            )
            return plot_grid(texts, self._estimates, label="Effect", ax=ax)
        if "horizon" not in self.labels.columns:
            return super().plot(terms, level=level, ax=ax)
        return event_study_plot(self, level=level, band=band, ax=ax)

    def event_frame(self, level: float = 0.95, *, band: bool = True) -> pd.DataFrame:
        """Return ``horizon``, ``estimate``, ``low``, ``high``, ``band_low`` and ``band_high``.

        Raises
        ------
        SpecificationError
            If these are not effects by horizon.
        """
        if "horizon" not in self.labels.columns or self.cells is not None:
            remedy = (
                "take aggregate('event') first"
                if self.cells is not None
                else "take a fit of EventStudy, or aggregate('event') of SunAbraham or "
                "CallawaySantAnna"
            )
            raise SpecificationError(f"{self.model} has no effects by horizon: {remedy}.")
        ends = self.conf_int(level)
        frame = pd.DataFrame(
            {
                "horizon": self.labels["horizon"],
                "estimate": self.params,
                "low": ends["lower"],
                "high": ends["upper"],
            }
        )
        if band:
            wide = self.conf_band(level)
            frame = frame.assign(band_low=wide["lower"], band_high=wide["upper"])
        return frame.reset_index(drop=True)

    def _averaged(self, found: Averages, overall: EffectResults | None) -> EffectResults:
        tie = _averaged_tie(self.attached, found)
        return replace(
            self,
            params=named(found.map.weights @ self._estimates, found.names, "param"),
            model=f"{self.model}, {found.words}",
            labels=found.labels,
            cells=None,
            references=self.references if found.by_horizon else (),
            covariance=effect_covariance(tie, self.cov_spec),
            overall=overall,
            _attached=tie,
        )


@checked
def event_study_plot(
    *results: EffectResults,
    level: float = 0.95,
    band: bool = True,
    ax: Axes | None = None,
    **named: EffectResults,
) -> Axes:
    """Draw event studies of several estimators on common axes, side by side at each horizon.

    Parameters
    ----------
    *results : EffectResults
        By horizon.
    level : float
    band : bool
        Whether to show intervals that cover all effects of an estimator at once.
    ax : matplotlib Axes, optional
    **named : EffectResults
        Results with their names, as ``event_study_plot(twfe=a, imputation=b)``.

    Raises
    ------
    SpecificationError
        Without results, or if one has no effects by horizon.
    MissingDependencyError
        If matplotlib is not installed.
    """
    for result in (*results, *named.values()):
        require_effects(result, "event_study_plot")
    everything = {**{result.model.partition(",")[0]: result for result in results}, **named}
    if len(everything) < max(len(results) + len(named), 1):
        raise SpecificationError(
            "Name results of the same estimator: event_study_plot(a=..., b=...)."
        )
    frames = {name: result.event_frame(level, band=band) for name, result in everything.items()}
    references = {
        h
        for name, result in everything.items()
        for h in set(result.references) - set(frames[name]["horizon"])
    }
    outcomes = ", ".join(dict.fromkeys(result.depvar for result in everything.values()))
    return plot_horizons(
        frames, references=sorted(references), level=level, label=f"Effect on {outcomes}", ax=ax
    )


def require_effects(fit: object, who: str) -> None:
    """Refuse what is no fit of an estimator of policy effects.

    Raises
    ------
    SpecificationError
        Naming what it is instead.
    """
    if isinstance(fit, EffectResults):
        return
    given = type(fit).__name__
    if hasattr(fit, "model"):
        given = f"a fit of {fit.model}"
    elif hasattr(fit, "fit"):
        given = f"the specification {given}: call its fit(panel)"
    raise SpecificationError(
        f"{who} takes effects of a policy, as EventStudy(...).fit(panel) or "
        f"CallawaySantAnna(...).fit(panel) gives them, not {given}."
    )


def _averaged_tie(tie: Attached, found: Averages) -> EffectTie:
    """Carry influence and covariance over to averages whose weights may be estimates too."""
    old, linear = tie.estimate, found.map
    influence = old.influence.mapped(linear.weights)
    start = tie.start if isinstance(tie, EffectTie) else None
    if isinstance(influence, UnitInfluence) and isinstance(tie, EffectTie) and tie.sizes:
        influence = influence.plus(tie.sizes.mapped(linear.by_size))
    cov = old.model_cov
    model_cov = None if cov is None else linear.weights @ cov @ linear.weights.T
    estimate = Estimate(tuple(found.names), influence, model_cov, old.counts)
    return EffectTie(estimate, None, start=start)
