#!/usr/bin/env python3
"""Build the package straight into an environment: `make dev`.

    dev.py PYTHON     PYTHON is that of an environment, as .venv/3.13/bin/python

No sdist, no wheel, no auditwheel: setup.py builds what is older than its sources into build/dev, and that is laid over
the package in the environment's site-packages. What a wheel proves (a complete sdist, the manylinux tag, stripped of
everything else) `make test` proves.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str, **environment: str) -> str:
    """Run quietly; show all that it said if it fails."""
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}dev: {' '.join(command[:4])} … failed with exit code {done.returncode}")
    return done.stdout.strip()


def build_tools(python: str, work: Path) -> Path:
    """A folder with what pyproject.toml says the build requires, made once for each list of requirements."""
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    tools = work / ("tools-" + hashlib.sha256("\n".join(requires).encode()).hexdigest()[:12])
    if not tools.exists():
        fresh = tools.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        run(python, "-m", "pip", "install", "--quiet", "--target", str(fresh), *requires)
        fresh.rename(tools)
    return tools


def lay_over(package: Path, installed: Path) -> None:
    """Put the package's files over those that are installed: by renaming, since a process may have them mapped."""
    built = {path.name for path in package.iterdir()}
    for path in installed.glob("*.so"):
        if path.name not in built:
            path.unlink()  # of another time
    for folder in (package, ROOT / "ft_utils"):
        lay(folder, installed)


def lay(folder: Path, installed: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in {".so", ".py", ".pyi", ".typed", ".html", ""}:
            place = installed / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = place.with_name(place.name + ".new")
            shutil.copy2(path, fresh)
            fresh.replace(place)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    python = os.path.abspath(sys.argv[1])
    where = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'), sysconfig.get_path('purelib'))"
    suffix, site = run(python, "-c", where).split()
    work = ROOT / "build" / "dev" / suffix.split(".")[1]
    work.mkdir(parents=True, exist_ok=True)
    tools = build_tools(python, work)
    folders = [f"--build-lib={work / 'lib'}", f"--build-temp={work / 'temp'}"]
    run(python, "setup.py", "--quiet", "build_ext", *folders, PYTHONPATH=str(tools))
    lay_over(work / "lib" / "ft_utils", Path(site) / "ft_utils")
    lay(ROOT / "ft_locks", Path(site) / "ft_locks")
    sys.path.append(str(ROOT / "dist_info"))
    import second_name

    second_name.lay(ROOT, Path(site))


if __name__ == "__main__":
    main()
