"""Arrays as fields of records that pydantic writes as JSON."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FloatArray"]


def _to_array(rows: list[Any]) -> NDArray[np.float64]:
    try:
        array = np.array(rows)
    except ValueError:
        raise ValueError("rows must have one length") from None
    if array.dtype.kind not in "if" or not np.isfinite(array).all():
        raise ValueError("values must be finite numbers")
    return array.astype(np.float64)


class _AsLists:
    """How pydantic reads and writes an array: as lists. It is imported on use, since most users need no JSON."""

    def __get_pydantic_core_schema__(self, _: Any, handler: Any) -> Any:
        from pydantic import AfterValidator, PlainSerializer

        return handler.generate_schema(
            Annotated[list[Any], AfterValidator(_to_array), PlainSerializer(np.ndarray.tolist)]
        )


FloatArray = Annotated[NDArray[np.float64], _AsLists()]
