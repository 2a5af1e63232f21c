"""From a dataset folder to a run folder."""
