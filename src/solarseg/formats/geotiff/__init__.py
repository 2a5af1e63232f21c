"""GeoTIFF images with GeoTIFF masks: read."""
