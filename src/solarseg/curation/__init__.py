"""What is done to a dataset before anything is trained on it."""
