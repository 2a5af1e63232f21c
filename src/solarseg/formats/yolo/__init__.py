"""YOLO polygons: read and written."""
