"""Folders of images and folders of masks: read."""
