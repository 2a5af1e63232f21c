"""Find duplicates and near-duplicates of images, and keep them in one split.

Hashes propose pairs (`perceptual_hash`), registration confirms them (`registration`).
"""
