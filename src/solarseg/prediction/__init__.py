"""From images to a folder of masks, overlays, tables of measurements and a summary."""
