"""``solarseg data``: one file per command."""
