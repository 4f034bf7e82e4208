"""What inference asks of the likelihood with dependent residuals, computed on request."""

from __future__ import annotations

from dataclasses import dataclass

from panelml._typing import FloatArray
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import SpecificationError
from panelml.mixed.core.crossed_information import MOST_COEFFICIENTS
from panelml.mixed.core.information import CovarianceSensitivity, VarianceInformation
from panelml.mixed.core.residual_crossed import ResidualLayout
from panelml.mixed.core.residual_optimum import ResidualOptimum, residual_sensitivity
from panelml.mixed.core.residual_rows import UnitRows
from panelml.mixed.core.working_columns import WorkingColumns

__all__ = ["ResidualCurvature"]


@dataclass(frozen=True, slots=True)
class ResidualCurvature:
    """Curvature of the likelihood with dependent residuals, computed on request.

    Attributes
    ----------
    sample : Sample
    columns : WorkingColumns
        That make rows independent.
    layout : ResidualLayout
    optimum : ResidualOptimum
    restricted : bool
    """

    sample: Sample
    columns: WorkingColumns
    layout: ResidualLayout
    optimum: ResidualOptimum
    restricted: bool

    @property
    def back(self) -> FloatArray:
        """From the working fixed effects to the parameters, shape (k, p)."""
        return self.columns.fixed_back

    @property
    def known(self) -> bool:
        """Whether the information can be computed."""
        return False

    def information(self) -> VarianceInformation:
        """Refuse: the covariance is no linear function of its parameters.

        Raises
        ------
        SpecificationError
            Always.
        """
        raise SpecificationError(
            "Kenward-Roger is for mixed models with independent residuals. Use 'satterthwaite', "
            "'iid' or 'cluster'."
        )

    def sensitivity(self) -> CovarianceSensitivity:
        """Compute what degrees of freedom by Satterthwaite take, in a pass over the data.

        Raises
        ------
        SpecificationError
            If several grouping factors have too many coefficients.
        """
        basis, others = self.columns.basis, self.layout.factors.others
        whitening = basis.whitening
        assert whitening is not None
        rows = fold(self.sample, lambda b: UnitRows.of(b, basis.plain, whitening.facts, others))
        found = residual_sensitivity(
            self.layout.likelihood(rows, whitening.form),
            self.optimum,
            self.columns.structure,
            restricted=self.restricted,
        )
        if found is None:
            raise SpecificationError(
                "Degrees of freedom by Satterthwaite take a dense system of all random "
                f"coefficients; here are more than {MOST_COEFFICIENTS:,}. Use 'iid', 'cluster' or "
                "the bootstrap."
            )
        return found
