"""scripts/interpreters.py and interpreter_build.py: which candidates are fit, what is read from apt's sources, and
what is answered to an unusable explicit variable.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "interpreters.py"


@pytest.fixture(scope="module")
def interpreters():
    yield from scripts_module("interpreters")


@pytest.fixture(scope="module")
def building():
    yield from scripts_module("interpreter_build")


def scripts_module(name):
    """The module by its name, from the scripts' directory, which is on the path no longer than that takes."""
    before = list(sys.path)
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path[:] = before


DEB822 = """\
# a comment before the first stanza
Types: deb
# and one inside
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Enabled: no
Types: deb
URIs: http://off.invalid/debian
Suites: bookworm
Components: main

types: deb deb-src
uris: http://one.invalid/debian/ http://two.invalid/debian
suites: stable
components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBFppfbQ
 -----END PGP PUBLIC KEY BLOCK-----
"""


def test_deb822_sources(building):
    first, security, one, two = building.parse_deb822(DEB822)
    assert first == (
        "http://mirror.invalid/debian",
        ("bookworm", "bookworm-updates"),
        ("main", "contrib"),
        "/usr/share/keyrings/archive.gpg",
    )
    assert security.suites == ("bookworm-security",)
    assert (one.uri, two.uri) == ("http://one.invalid/debian/", "http://two.invalid/debian")
    # A key in full keeps the lines that a field of deb822 continues on.
    assert one.signed_by.splitlines()[1:] == [" .", " mQINBFppfbQ", " -----END PGP PUBLIC KEY BLOCK-----"]


def test_one_line_sources(building):
    text = """\
# deb http://off.invalid/debian bookworm main
deb http://plain.invalid/debian bookworm main contrib # why
deb [ arch=amd64 signed-by=/a.gpg,/b.gpg ] http://signed.invalid/debian trixie main
deb-src [signed-by=/a.gpg] http://source.invalid/debian sid main
deb [arch=amd64 http://broken.invalid/debian bookworm main
rpm http://other.invalid/debian bookworm main

"""
    assert building.parse_one_line(text) == [
        ("http://plain.invalid/debian", ("bookworm",), ("main", "contrib"), ""),
        ("http://signed.invalid/debian", ("trixie",), ("main",), "/a.gpg /b.gpg"),
        ("http://source.invalid/debian", ("sid",), ("main",), "/a.gpg"),
    ]


def test_the_debian_archive_is_told_from_others(building):
    def source(uri, suite, *components):
        return building.AptSource(uri, (suite,), components, "")

    vendor = source("http://vendor.invalid/apt", "bookworm", "main")
    debian = source("http://mirror.invalid/debian/", "bookworm", "main")
    chosen = building.debian_archives(
        [
            vendor,
            source("cdrom:[Debian 12]/", "bookworm", "main"),
            source("http://mirror.invalid/debian-security", "bookworm-security", "main"),
            source("http://node.invalid/", "nodistro", "main"),
            source("http://docker.invalid/", "bookworm", "stable"),
            debian,
            source("http://mirror.invalid/debian", "bookworm-updates", "main"),
        ]
    )
    assert chosen == [debian, vendor]


def test_sources_of_both_formats_are_found(building, tmp_path):
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.invalid/debian bookworm main\n")
    (parts / "b.sources").write_text("Types: deb\nURIs: http://b.invalid/debian\nSuites: sid\nComponents: main\n")
    (parts / "c.list").write_text("deb http://c.invalid/debian sid main\n")
    (parts / "d.list.disabled").write_text("deb http://d.invalid/debian sid main\n")
    uris = [source.uri for source in building.apt_sources(tmp_path)]
    assert uris == [f"http://{letter}.invalid/debian" for letter in "abc"]


def test_private_configuration_keeps_key_and_checks(building, tmp_path):
    archive = building.AptSource("http://a.invalid/debian", ("bookworm",), ("main",), "/key.gpg")
    configuration = building.write_apt_configuration(tmp_path, archive).read_text()
    sources = (tmp_path / "debian.sources").read_text()
    assert "Types: deb-src\n" in sources and "Signed-By: /key.gpg\n" in sources
    assert "insecure" not in (configuration + sources).lower()
    assert "trusted" not in (configuration + sources).lower()


@pytest.mark.parametrize("name", ["3.13", "3.13t"])
def test_unusable_explicit_variable_is_one_sentence(interpreters, name, tmp_path):
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    variable = interpreters.FLAVOURS[name].variable
    for value in (shim, tmp_path / "absent"):
        answer = subprocess.run(
            [sys.executable, str(SCRIPT), name],
            env={**os.environ, variable: str(value)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert answer.returncode == 1
        assert answer.stdout == ""
        [line] = answer.stderr.splitlines()
        assert line.startswith(f"interpreters: error: {variable} is set, but {value} does not run")


def test_the_running_interpreter_is_judged_by_its_build(interpreters):
    free_threaded = not sys._is_gil_enabled()
    right, wrong = interpreters.FLAVOURS["3.13"], interpreters.FLAVOURS["3.13t"]
    if free_threaded:
        right, wrong = wrong, right
    path = interpreters.examine(right, sys.executable)
    assert os.path.samefile(path, getattr(sys, "_base_executable", sys.executable))
    with pytest.raises(interpreters.Unavailable, match="free-threaded build"):
        interpreters.examine(wrong, sys.executable)


def test_the_newest_build_in_the_cache_is_tried_first(interpreters, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for version in ("3.13.5", "3.13.12"):
        fake = tmp_path / "ft_utils" / f"cpython-{version}" / "3.13t" / "bin" / "python3.13t"
        fake.parent.mkdir(parents=True)
        fake.write_text("#!/bin/sh\nexit 1\n")
        fake.chmod(0o755)
    assert interpreters.from_cache(interpreters.FLAVOURS["3.13t"]) is None
    first, second = capsys.readouterr().err.splitlines()
    assert "3.13.12" in first and "3.13.5" in second


@pytest.mark.parametrize("name", ["3.13", "3.13t"])
def test_a_cached_build_without_the_tests_of_cpython_is_passed_over(interpreters, name, tmp_path, monkeypatch, capsys):
    """Earlier builds lack the `test` package; the rest of such a build is fit, as its answers show."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake = tmp_path / "ft_utils" / "cpython-3.13.5" / name / "bin" / f"python{name}"
    fake.parent.mkdir(parents=True)
    facts = {"executable": str(fake), "implementation": "cpython", "version": "3.13", "header": True}
    facts["free_threaded"] = name == "3.13t"
    for has, expected in ((False, None), (True, str(fake))):
        missing = '"test.lock_tests"' if not has else ""
        # It answers about the modules that it is asked for, as an interpreter does.
        fake.write_text(
            "#!/bin/sh\ncase \"$*\" in *test.lock_tests*) missing='" + missing + "';; esac\n"
            "cat <<END\n" + json.dumps(facts)[:-1] + ', "missing": [$missing]}\nEND\n'
        )
        fake.chmod(0o755)
        assert interpreters.from_cache(interpreters.FLAVOURS[name]) == expected
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(f"passed over: {fake} lacks the standard library's test.lock_tests")
    monkeypatch.setenv(interpreters.FLAVOURS[name].variable, str(fake))  # named by the user, it need not have them
    assert interpreters.from_variable(interpreters.FLAVOURS[name]) == str(fake)


def test_an_unfit_build_is_built_again(interpreters, building, tmp_path, monkeypatch):
    """The search goes on past the cache, and a build that does not mend it is an error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    flavour = interpreters.FLAVOURS["3.13"]
    built = []
    monkeypatch.setattr(building, "build_in", lambda work, flavours: built.extend(flavours))
    answers = iter([None, "/made/python"])
    assert building.build([flavour], lambda _: next(answers)) == {"3.13": "/made/python"}
    assert built == [flavour]
    assert building.build([flavour], lambda _: "/there/python") == {"3.13": "/there/python"}
    assert built == [flavour], "what is fit was built again"
    with pytest.raises(building.Unavailable, match=r"what was built for 3\.13 in .* is unfit"):
        building.build([flavour], lambda _: None)


def test_the_script_runs_from_any_directory(interpreters, tmp_path):
    """Also where the directory of a script is kept off the path."""
    name = "3.13" if sys._is_gil_enabled() else "3.13t"
    for safe in ("", "1"):
        answer = subprocess.run(
            [sys.executable, str(SCRIPT), name],
            env={**os.environ, interpreters.FLAVOURS[name].variable: sys.executable, "PYTHONSAFEPATH": safe},
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
        )
        assert answer.returncode == 0, answer.stderr
        assert os.path.samefile(answer.stdout.strip(), getattr(sys, "_base_executable", sys.executable))
