"""Effects of a policy by cohort, period or horizon, and their averages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from panelml._typing import IntArray
from panelml.arguments import checked_methods
from panelml.did.core.aggregation import Cells, LinearMap
from panelml.did.results.averages import AverageBy, Averages, averages_of, label_text
from panelml.did.results.effect_tie import averaged_tie, effect_covariance
from panelml.did.results.plot_effects import plot_grid, plot_horizons
from panelml.errors import SpecificationError
from panelml.inference.bands import critical_value
from panelml.inference.covariance import CovLike
from panelml.inference.inference import InferenceSpec
from panelml.inference.replications import Jackknife
from panelml.inference.testing import TestResult
from panelml.inference.wald import Wald
from panelml.results.adapters.maketables import MaketablesPlugin
from panelml.results.fitted import named
from panelml.results.show.display import Shown
from panelml.results.show.formats import number
from panelml.results.show.summary import Summary, summarize

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = [
    "EffectResults",
    "estimator_name",
    "plot_event_studies",
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
        by: AverageBy = "simple",
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
            ``"cohort"`` or ``"group"``: for each cohort over its periods; ``"period"`` or
            ``"calendar"``: for each period over its cohorts; ``"horizon"`` or ``"event"``: for
            each horizon, leads included. A callable takes ``labels`` and returns a name for each
            effect, missing to leave it out; a mapping gives weights for each name, one for each
            effect, which are used as they are.
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
        return _aggregated(self, by, balance, (min_horizon, max_horizon))

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
        kept = _averaged(self, _selection(self, keep), self.overall)
        return replace(kept, facts=self.facts, references=self.references)

    def with_cov(self, cov: CovLike) -> Self:
        """Return the result with another covariance, its overall effect included."""
        inference = Wald(self._estimates, effect_covariance(self.attached, cov))
        overall = self.overall.with_cov(cov) if self.overall else None
        return replace(self, inference=inference, overall=overall, cov_spec=cov)

    def with_inference(self, inference: InferenceSpec) -> Self:
        """Return the result with another kind of inference, its overall effect included."""
        changed = super().with_inference(inference)
        overall = self.overall.with_inference(inference) if self.overall else None
        return replace(changed, overall=overall)

    def pretrend_test(self) -> TestResult:
        """Test that all effects before adoption, and before its anticipation, are zero.

        Raises
        ------
        SpecificationError
            If there are none, or they are measured from a period at or after adoption.
        """
        return _pretrend_test(self)

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
        summary = summarize(self, level)
        if self.overall is None:
            return summary
        average = ("Overall effect", _overall_words(self.overall, level))
        return replace(summary, facts=(average, *summary.facts))

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
        if terms is None and self.cells is not None:
            return plot_grid(_cell_texts(self.labels), self._estimates, label="Effect", ax=ax)
        if terms is None and "horizon" in self.labels.columns:
            return plot_event_studies({estimator_name(self): self}, level=level, band=band, ax=ax)
        return super().plot(terms, level=level, ax=ax)

    def event_frame(self, level: float = 0.95, *, band: bool = True) -> pd.DataFrame:
        """Return ``horizon``, ``estimate``, ``low``, ``high``, ``band_low`` and ``band_high``.

        Raises
        ------
        SpecificationError
            If these are not effects by horizon.
        """
        if "horizon" not in self.labels.columns or self.cells is not None:
            raise SpecificationError(_no_horizons(self))
        frame = self.labels[["horizon"]].assign(estimate=self.params)
        frame[["low", "high"]] = self.conf_int(level)
        if band:
            frame[["band_low", "band_high"]] = self.conf_band(level)
        return frame.reset_index(drop=True)


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


def plot_event_studies(
    studies: Mapping[str, EffectResults],
    *,
    level: float,
    band: bool,
    ax: Axes | None,
) -> Axes:
    """Draw event studies on common axes, by the names that the legend gives them."""
    frames = {name: study.event_frame(level, band=band) for name, study in studies.items()}
    references = {
        horizon
        for name, study in studies.items()
        for horizon in set(study.references) - set(frames[name]["horizon"])
    }
    outcomes = ", ".join(dict.fromkeys(study.depvar for study in studies.values()))
    return plot_horizons(
        frames, references=sorted(references), level=level, label=f"Effect on {outcomes}", ax=ax
    )


def estimator_name(effects: EffectResults) -> str:
    """Return the estimator's name, without the words for the averages that were taken."""
    return effects.facts.name


def _cells_to_average(effects: EffectResults) -> Cells:
    """Return the cells of effects by cohort and time; refuse effects that cannot be averaged."""
    if effects.cells is None:
        raise SpecificationError(
            f"{effects.model} has no effects by cohort and time left to average."
        )
    if isinstance(effects.cov_spec, Jackknife):
        raise SpecificationError(
            "Average first, then leave clusters out: the weights of averages change without "
            "them, too."
        )
    return effects.cells


def _no_horizons(effects: EffectResults) -> str:
    """Say that effects are not by horizon, and which would be."""
    remedy = (
        "take aggregate('event') first"
        if effects.cells is not None
        else "take a fit of EventStudy, or aggregate('event') of SunAbraham or CallawaySantAnna"
    )
    return f"{effects.model} has no effects by horizon: {remedy}."


def _cell_texts(labels: pd.DataFrame) -> pd.DataFrame:
    """Write cohorts and periods as the axes of a grid show them."""
    return labels[["cohort", "time"]].map(
        lambda label: None if pd.isna(label) else label_text(label)
    )


def _overall_words(overall: EffectResults, level: float) -> str:
    """Write a single average effect with its standard error and interval."""
    [(low, high)] = overall.conf_int(level).to_numpy().tolist()
    return (
        f"{number(overall.params.iloc[0])} (std. error {number(overall.std_errors.iloc[0])}, "
        f"{100 * level:g}% interval {number(low)} to {number(high)})"
    )


def _pretrend_test(effects: EffectResults) -> TestResult:
    """Test that effects before adoption and its anticipation are zero; see ``EffectResults``."""
    references, anticipation = effects.references, effects.anticipation
    if references and min(references) >= -anticipation:
        raise SpecificationError(
            f"The reference of {effects.model} is horizon {min(references)}, at or after "
            "adoption: effects before adoption are measured from it and hold its effect. Take "
            "a reference before adoption to test pre-trends."
        )
    horizon = effects.labels.get("horizon")
    early = [] if horizon is None else np.flatnonzero(horizon < -anticipation).tolist()
    errors = effects.inference.errors
    early = [i for i in early if errors[i] > 0]
    if not early:
        raise SpecificationError(f"{effects.model} estimates no effects before adoption.")
    test = effects.wald_test(np.eye(len(effects.params))[early])
    null = f"the {len(early)} effects before adoption are zero"
    return replace(test, name="Test of pre-trends", null=null)


def _aggregated(
    effects: EffectResults,
    by: AverageBy,
    balance: int | None,
    window: tuple[int | None, int | None],
) -> EffectResults:
    """Take averages with their overall one, and remember what was asked for."""
    cells, estimates = _cells_to_average(effects), np.asarray(effects.params, dtype=np.float64)
    averages = averages_of(cells, effects.labels, estimates, by, balance, window)
    overall = None if averages.overall is None else _averaged(effects, averages.single(), None)
    asked = {
        "by": by,
        "balance": balance,
        "min_horizon": window[0],
        "max_horizon": window[1],
    }
    return replace(_averaged(effects, averages, overall), averaging=asked)


def _selection(effects: EffectResults, keep: IntArray) -> Averages:
    """Return some of the effects, as averages over one effect each."""
    rows = np.eye(len(effects.params))[keep]
    names = [str(name) for name in effects.params.index[keep]]
    linear = LinearMap(rows, np.zeros_like(rows))
    return Averages(names, effects.labels.iloc[keep], linear, None, "")


def _averaged(
    effects: EffectResults, averages: Averages, overall: EffectResults | None
) -> EffectResults:
    """Take averages of effects, with the covariance that the effects were given.

    Raises
    ------
    SpecificationError
        If they have another kind of inference, which averages would lose.
    """
    if type(effects.inference) is not Wald:
        raise SpecificationError(
            "Average effects, or limit their horizons, before asking for another kind of inference."
        )
    tie = averaged_tie(effects.attached, averages)
    estimates = averages.map.weights @ effects.params.to_numpy(np.float64)
    return replace(
        effects,
        params=named(estimates, averages.names, "param"),
        facts=effects.facts.detailed(averages.words),
        labels=averages.labels,
        cells=None,
        references=effects.references if averages.by_horizon else (),
        inference=Wald(estimates, effect_covariance(tie, effects.cov_spec)),
        overall=overall,
        _attached=tie,
    )
