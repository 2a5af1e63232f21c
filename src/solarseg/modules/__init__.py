"""Modules in photographs: locate them, rectify them, crop their cells, compare them with an earlier state."""

from solarseg.modules.placement import ModulePlacement
from solarseg.modules.records import InspectedCell, InspectedModule

__all__ = ["InspectedCell", "InspectedModule", "ModulePlacement"]
