"""Fixtures of the threading family."""

from types import ModuleType

import pytest

from ..support.family import MODULES


@pytest.fixture(params=MODULES, ids=lambda module: module.__name__)
def module(request: pytest.FixtureRequest) -> ModuleType:
    """The standard library, to show that the suite asks for the standard behaviour, and ours."""
    return request.param
