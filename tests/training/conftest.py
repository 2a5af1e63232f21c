"""Trainings of the tests share the work of exporting their networks."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def graphs(shared_graphs: None) -> None:
    """Share the graphs of one structure: tests/integration exports without this."""
