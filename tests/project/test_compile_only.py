"""scripts/compile_only.py: which headers the sources see, and what is said of those that do not compile."""

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "compile_only.py"
HEADERS = Path(sysconfig.get_path("include"))

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or not (HEADERS / "Python.h").exists(), reason="no C compiler, or no headers of Python"
)

# It compiles for 3.15 with the GIL alone.
SOURCE = """
#include <Python.h>
#if PY_VERSION_HEX < 0x030f0000 || PY_VERSION_HEX >= 0x03100000
#error another version
#endif
#ifdef Py_GIL_DISABLED
#error free threads
#endif
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_only", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "one.c").write_text(SOURCE)
    monkeypatch.setattr(module, "TYPES", tmp_path)
    return module


@pytest.mark.skipif(not sys._is_gil_enabled(), reason="headers of a build without the GIL")
def test_each_flavour_sees_its_version_and_its_build(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compile_only.py", sys.executable, "3.15", "3.14", "3.15t"])
    assert script.main() == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == ["3.15: compiled, not run", "3.14: does not compile", "3.15t: does not compile"]
    assert "another version" in said.err and "free threads" in said.err
    monkeypatch.setattr(sys, "argv", ["compile_only.py", sys.executable, "3.15"])
    assert script.main() == 0


def test_an_interpreter_without_headers_is_one_sentence(script: ModuleType, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho /nowhere\n")
    bare.chmod(0o755)
    with pytest.raises(SystemExit, match="has no headers; give a CPython that has"):
        script.headers_of(str(bare))
