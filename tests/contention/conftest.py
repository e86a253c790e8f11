"""Profiles and a browser that the tests of one session share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import browser as browsers
from ..support.browser import Browser
from ..support.command import PROGRAM, contention

ROUNDS = "25"


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of the program of a store, recorded and written by `run`."""
    file = tmp_path_factory.mktemp("profile") / "store.pb.gz"
    outcome = contention("run", "-o", file, PROGRAM, ROUNDS)
    assert outcome.code == 0 and outcome.out == f"price {int(ROUNDS) - 1}\n", outcome
    return file


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = browsers.find()
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with Browser(program, tmp_path_factory.mktemp("browser")) as browser:
        yield browser
