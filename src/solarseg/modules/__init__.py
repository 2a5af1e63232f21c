"""Modules in photographs: locate them, rectify them, and crop their cells."""

from solarseg.modules.bend import ModuleBend
from solarseg.modules.cells import cells_to_pixels, cut_cells, rectify
from solarseg.modules.locate import LocatedModules, locate_module, locate_modules, place_module
from solarseg.modules.placement import ModulePlacement
from solarseg.modules.records import InspectedCell, InspectedModule

__all__ = [
    "InspectedCell",
    "InspectedModule",
    "LocatedModules",
    "ModuleBend",
    "ModulePlacement",
    "cells_to_pixels",
    "cut_cells",
    "locate_module",
    "locate_modules",
    "place_module",
    "rectify",
]
