"""The terms that the report explains."""

__all__ = ["TERMS"]

TERMS = (
    (
        "Electroluminescence (EL) image",
        "A picture of the infrared light that cells give when a current flows through them in the dark. The brighter "
        "a part, the better it works.",
    ),
    ("Cell", "One silicon wafer of the module. Its name is its row and column: r03c07 is row 3, column 7."),
    (
        "Busbar, finger",
        "The wide metal lines that connect cells, and the thin lines across them that collect current.",
    ),
    (
        "Crack",
        "A break in the silicon, seen as a thin dark line. A crack in mode A has the same brightness on both sides. In "
        "mode B one side is darker. In mode C one side is electrically disconnected. The modes are those of Koentges "
        "et al. (2011).",
    ),
    ("Inactive area", "A dark part of a cell that produces little or no current."),
    ("Finger interruption", "A place where a finger is broken, seen as a thin dark bar between busbars."),
    ("Relative light", "Brightness of a cell compared with the other cells of the module; 1 is typical."),
    (
        "Dark, dim, bright cell",
        "A cell whose relative light is far from 1. Causes are a shunt, a broken connection, or cells that do not "
        "match in current.",
    ),
    ("Severity", "A number that orders cells by their defects; 0 is a cell without defects. It is no grade."),
    ("String", "Cells in series: the same current flows through all of them, so the weakest cell limits it."),
    (
        "Substring, bypass diode",
        "A part of the module, and the diode that carries the current past it if it is too weak.",
    ),
    ("STC", "Standard test conditions: irradiance 1000 W/m², cell temperature 25 °C, spectrum AM 1.5."),
    (
        "I-V curve",
        "The current of the module at each voltage. Its power is largest at the maximum power point.",
    ),
)
