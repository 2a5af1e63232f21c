"""Copies and near copies of images: propose by hash, confirm by registration, keep in one split."""
