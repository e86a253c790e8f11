"""The three native pieces of ft_utils, and what is made for the wheel; all else stands in pyproject.toml."""

import functools
import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError
from setuptools.modified import newer_group

ROOT = Path(__file__).parent
TYPES = ROOT / "pybind" / "types"
DRIVER = ROOT / "pybind" / "driver" / "build.py"
DIST_INFO = ROOT / "dist_info"
NAME = "ft-utils-synchronization"
VIEWER = ROOT / "pybind" / "viewer"
INCLUDE = ROOT / "pybind" / "include"


def relative(paths: list[Path]) -> list[str]:
    """Setuptools wants paths below the project's root, and a fixed order makes builds repeatable."""
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def locks_extension() -> Extension:
    """The lock types in C. They do not link against libpython: the interpreter brings its own symbols."""
    return Extension(
        "ft_utils._locks",
        sources=relative(list(TYPES.glob("*/*.c"))),
        depends=relative([*TYPES.glob("*/*.h"), *INCLUDE.glob("*.h")]),
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


class GoProgram(Extension):
    """A program in Go beside the modules, built by the driver too."""


def go_extension() -> GoExtension:
    sources = [path for folder in ("golib", "pybind") for path in (ROOT / folder).rglob("*.go")]
    sources = [path for path in sources if VIEWER not in path.parents]
    driver = DRIVER.parent.glob("*.py")
    return GoExtension("ft_utils._golib", sources=[], depends=relative([ROOT / "go.mod", *sources, *driver]))


def go_program() -> GoProgram:
    sources = [ROOT / "go.mod", *VIEWER.glob("*.go"), DRIVER]
    return GoProgram("ft_utils._viewer", sources=[], depends=relative(sources))


def load(path: Path) -> ModuleType:
    """Load a file of ours by path: an installed package may have its name too, as `build`."""
    spec = importlib.util.spec_from_file_location(f"ft_utils_setup_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.path.append(str(path.parent))  # for what it imports from beside itself
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def version() -> str:
    return load(ROOT / "ft_utils" / "_version.py").__version__


def compile_each(compiler, compile_all, sources, output_dir=None, depends=None, **options) -> list[str]:
    """The compiler's own compile, a file at a time: side by side, and only what is older than what it is made of."""

    def compile_one(source: str) -> str:
        (made,) = compiler.object_filenames([source], output_dir=output_dir)
        if newer_group([source, *depends], made):
            compile_all([source], output_dir=output_dir, depends=depends, **options)
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, sources))


class BuildNative(build_ext):
    """build_ext that knows how to build what is in Go, and takes no longer than it has to."""

    def get_ext_filename(self, fullname: str) -> str:
        """A program is no module: its file has the plain name."""
        if isinstance(self.ext_map.get(fullname), GoProgram):
            return os.path.join(*fullname.split("."))
        return super().get_ext_filename(fullname)

    def build_extensions(self) -> None:
        self.compiler.compile = functools.partial(compile_each, self.compiler, self.compiler.compile)
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        if isinstance(ext, GoExtension | GoProgram):
            self.build_go(ext)
        else:
            super().build_extension(ext)

    def build_go(self, ext: GoExtension | GoProgram) -> None:
        output = Path(self.get_ext_fullpath(ext.name))
        if not (self.force or newer_group(ext.depends, output)):
            return
        driver = load(DRIVER)
        try:
            if isinstance(ext, GoProgram):
                driver.build_viewer(output)
            else:
                driver.build_library(python=sys.executable, output=output, workdir=Path(self.build_temp) / "golib")
        except driver.BuildError as error:
            raise CompileError(str(error)) from None  # setuptools prints it as one line


class BuildPython(build_py):
    """build_py that completes the second name of the package."""

    def run(self) -> None:
        super().run()
        load(DIST_INFO / "second_name.py").lay(ROOT, Path(self.build_lib))


class Wheel(bdist_wheel):
    """bdist_wheel that adds the bill of materials."""

    def write_wheelfile(self, wheelfile_base: str, *args: str) -> None:
        """The last step before the archive: what was built is in place then, and the folder of metadata is made."""
        super().write_wheelfile(wheelfile_base, *args)
        sbom = load(DIST_INFO / "sbom.py")
        try:
            sbom.write(NAME, version(), Path(self.bdist_dir), Path(wheelfile_base))
        except sbom.Incomplete as error:
            raise CompileError(str(error)) from None


index_page = load(DIST_INFO / "index_page.py")
setup(
    long_description=index_page.page((ROOT / "README.md").read_text(), version()),
    long_description_content_type="text/markdown",
    project_urls=index_page.project_urls(version()),
    # Go first: where it is missing, that is said before anything is compiled.
    ext_modules=[go_extension(), go_program(), locks_extension()],
    cmdclass={"build_ext": BuildNative, "build_py": BuildPython, "bdist_wheel": Wheel},
)
