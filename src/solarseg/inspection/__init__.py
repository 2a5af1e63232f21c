"""Inspect photographs of whole modules: cells, defects, brightness, power, tables and reports."""
