"""COCO: read and written."""
