"""The model file and prediction with it, without torch."""
