"""Which rows are wanted."""

from fnmatch import fnmatch

from . import families
from .libraries import Libraries
from .model import Case, Settings


def wanted(case: Case, family: str, words: list[str]) -> bool:
    """Whether a word is the family, the beginning of a row's name, or a pattern for it; no words mean all."""
    return not words or any(
        word == family or row.name.startswith(word) or fnmatch(row.name, word) for word in words for row in case.rows
    )


def chosen(family: str, libraries: Libraries, settings: Settings, words: list[str]) -> list[Case]:
    """The cases of a family that are wanted, ready to be measured."""
    return [case for case in families.family(family).cases(libraries, settings) if wanted(case, family, words)]
