"""U-Nets, their encoders, and their way into the model file."""
