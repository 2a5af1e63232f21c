"""Supervisely: read and written."""
