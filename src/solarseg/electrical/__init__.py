"""Estimate the power of a module from the inactive area of its cells. Takes arrays, returns records."""

from solarseg.electrical.estimate import estimate_power
from solarseg.electrical.parameters import ModuleParameters
from solarseg.electrical.records import IVCurve, PowerEstimate, Substring
from solarseg.electrical.wiring import Wiring, default_wiring

__all__ = [
    "IVCurve",
    "ModuleParameters",
    "PowerEstimate",
    "Substring",
    "Wiring",
    "default_wiring",
    "estimate_power",
]
