"""Bytes of image files to arrays of samples, at a cost that the size of the file bounds."""
