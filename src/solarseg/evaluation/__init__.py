"""Scores with intervals, pictures and reports, on the light install."""
