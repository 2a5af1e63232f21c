"""LabelMe: read and written."""
