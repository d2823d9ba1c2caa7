"""NumPy arrays by the type of their elements; NumPy before 1.21, in older images, has no names for these types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    AnyArray = NDArray[Any]
    BoolArray = NDArray[np.bool_]
    UInt8Array = NDArray[np.uint8]
    Int64Array = NDArray[np.int64]
    Float32Array = NDArray[np.float32]
    Float64Array = NDArray[np.float64]
else:
    AnyArray = BoolArray = UInt8Array = Int64Array = Float32Array = Float64Array = np.ndarray
