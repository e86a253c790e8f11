"""The two native pieces of ft_utils; everything else about the package stands in pyproject.toml."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).parent
TYPES = ROOT / "pybind" / "types"
DRIVER = ROOT / "pybind" / "driver" / "build.py"
INCLUDE = ROOT / "pybind" / "include"


def relative(paths: list[Path]) -> list[str]:
    """Setuptools wants paths below the project's root, and a fixed order makes builds repeatable."""
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def locks_extension() -> Extension:
    """The lock types in C. They do not link against libpython: the interpreter brings its own symbols."""
    return Extension(
        "ft_utils._locks",
        sources=relative(list(TYPES.glob("*.c"))),
        depends=relative([*TYPES.glob("*.h"), *INCLUDE.glob("*.h")]),
        include_dirs=relative([TYPES, INCLUDE]),
        # initial-exec: the per-thread record is reached by one load instead of a call into the dynamic linker.
        extra_compile_args=[
            *("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"),
            *("-fvisibility=hidden", "-fno-plt", "-ftls-model=initial-exec"),
        ],
        extra_link_args=["-s"],
        libraries=["m"],
    )


class GoExtension(Extension):
    """The Go library: a module that the driver builds, not setuptools' compiler."""


def load_driver() -> ModuleType:
    """Load pybind/driver/build.py by path: an installed package may have the name `build` too."""
    spec = importlib.util.spec_from_file_location("ft_utils_control_driver", DRIVER)
    driver = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = driver
    spec.loader.exec_module(driver)
    return driver


class BuildNative(build_ext):
    """build_ext that knows how to build a GoExtension."""

    def build_extension(self, ext: Extension) -> None:
        if isinstance(ext, GoExtension):
            self.build_go(ext)
        else:
            super().build_extension(ext)

    def build_go(self, ext: GoExtension) -> None:
        driver = load_driver()
        try:
            driver.build_control(
                python=sys.executable,
                output=Path(self.get_ext_fullpath(ext.name)),
                workdir=Path(self.build_temp) / "control",
            )
        except driver.BuildError as error:
            raise CompileError(str(error)) from None  # setuptools prints it as one line


setup(
    # Go first: where it is missing, that is said before anything is compiled.
    ext_modules=[GoExtension("ft_utils._control", sources=[]), locks_extension()],
    cmdclass={"build_ext": BuildNative},
)
