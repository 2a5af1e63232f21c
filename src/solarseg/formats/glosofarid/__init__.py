"""GloSoFarID: Sentinel-2 tiles as TFRecord files: read."""
