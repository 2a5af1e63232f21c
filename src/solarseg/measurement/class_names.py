"""Names of the classes that are measured: those of the generator and of the model that ships."""

__all__ = ["BUSBAR", "CELL", "CRACK", "DEFECTS", "FINGER_INTERRUPTION", "INACTIVE_AREA", "LINES"]

CELL, BUSBAR = "cell", "busbar"
CRACK, INACTIVE_AREA, FINGER_INTERRUPTION = "crack", "inactive_area", "finger_interruption"
DEFECTS = (CRACK, INACTIVE_AREA, FINGER_INTERRUPTION)
LINES = (CRACK, FINGER_INTERRUPTION)  # thin: their length counts, and not their area
