"""Masks that show classes by colours: read."""
