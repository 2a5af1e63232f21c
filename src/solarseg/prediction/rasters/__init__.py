"""GeoTIFFs of any size: masks on their grid, and polygons on the ground."""
