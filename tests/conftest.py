"""Fixtures of all tests."""

import os
import random
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from .support.family import MODULES
from .support.threads import Puppet

# FT_UTILS_SEED repeats the random choices of an earlier run.
SEED = int(os.environ.get("FT_UTILS_SEED", random.SystemRandom().randrange(2**32)))


def pytest_report_header() -> str:
    build = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with the GIL"
    return f"build: {sys.version.split()[0]} {build}; FT_UTILS_SEED={SEED}"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that depend on the seed and the test alone, not on the tests that ran before."""
    print(f"FT_UTILS_SEED={SEED}")  # shown by pytest when the test fails
    return random.Random(f"{SEED} {request.node.nodeid}")


@pytest.fixture(params=MODULES, ids=lambda module: module.__name__)
def module(request: pytest.FixtureRequest) -> ModuleType:
    """The standard library, to show that the suite asks for the standard behaviour, and ours."""
    return request.param


@pytest.fixture
def puppets() -> Iterator[Callable[[int], list[Puppet]]]:
    """Makes puppet threads that end with the test."""
    made: list[Puppet] = []

    def make(count: int) -> list[Puppet]:
        new = [Puppet(f"puppet-{len(made) + i}") for i in range(count)]
        made.extend(new)
        return new

    yield make
    for puppet in made:
        puppet.close(5.0)  # a test that passed left its puppets idle


@pytest.fixture
def puppet(puppets: Callable[[int], list[Puppet]]) -> Puppet:
    return puppets(1)[0]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """A thread that outlives its test could hide a hang, or spoil the next test."""
    before = set(threading.enumerate())
    yield
    left = [t.name for t in threading.enumerate() if t not in before and not t.name.startswith("pytest_timeout")]
    assert not left, f"the test left threads behind: {left}"
