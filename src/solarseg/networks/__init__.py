"""U-Nets, their encoders, and their export to model files."""
