"""What `make conformance` runs, as suites.toml has it."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Suite:
    """Tests that run in one process: modules of CPython's own, or files in the sdist of a project."""

    name: str
    seconds: float  # for one run of it
    each: float = 120.0  # for one test
    level: str = "threading"  # what is replaced; see child/ft_rebind.py
    modules: tuple[str, ...] = ()
    project: str = ""
    paths: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict, hash=False)  # tests by pattern, and why

    @property
    def is_foreign(self) -> bool:
        return bool(self.project)


def read_suites(path: Path = HERE / "suites.toml") -> dict[str, Suite]:
    suites = {}
    for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
        suite = Suite(name=name, **values)
        if bool(suite.modules) == bool(suite.project):
            raise ValueError(f"suite {name} of {path.name} needs either modules or a project")
        suites[name] = suite
    return suites
