"""What the tests of reports need from the system."""

import os
import shutil

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def skip_or_fail(reason):
    """Skip a test, or fail where SOLARSEG_REQUIRE_SYSTEM is set, as in CI: there, all of it must be installed."""
    if os.environ.get("SOLARSEG_REQUIRE_SYSTEM"):
        pytest.fail(reason)
    pytest.skip(reason)


def find_chromium():
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        skip_or_fail("Chromium is not installed; install it with: apt-get install chromium")
    return program
