"""Chromium, where it is installed."""

import pytest
from system_programs import find_chromium


@pytest.fixture(scope="module")
def browser():
    program = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # CI runs as root, where Chromium has no sandbox; the pages are our own.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()
