"""Array aliases and the names of options."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
AnyArray: TypeAlias = NDArray[np.generic]

VarianceMethod: TypeAlias = Literal[
    "swamy-arora", "baltagi-chang", "wallace-hussain", "amemiya", "nerlove", "ml", "reml"
]
InteractionCentring: TypeAlias = Literal["double-demeaned", "demeaned", "raw"]
