"""scripts/interpreters.py and interpreter_build.py: which candidates are fit, what is read from apt's sources, and
what is answered to an unusable explicit variable.
"""

import importlib
import json
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

NAMES = ["3.13", "3.13t", "3.14", "3.14t", "3.15", "3.15t"]
HERE = f"3.{sys.version_info.minor}" + ("" if sys._is_gil_enabled() else "t")
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
    configuration = building.write_apt_configuration(tmp_path, archive, "trixie").read_text()
    sources = (tmp_path / "debian.sources").read_text()
    assert "Types: deb-src\n" in sources and "Suites: trixie\n" in sources and "Signed-By: /key.gpg\n" in sources
    assert "insecure" not in (configuration + sources).lower()
    assert "trusted" not in (configuration + sources).lower()


@pytest.mark.parametrize("name", NAMES)
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
    path = interpreters.examine(interpreters.FLAVOURS[HERE], sys.executable)
    assert os.path.samefile(path, getattr(sys, "_base_executable", sys.executable))
    other_build = HERE.rstrip("t") + ("t" if sys._is_gil_enabled() else "")
    for name in set(NAMES) - {HERE}:
        complaint = "free-threaded build" if name == other_build else f"not CPython {name.rstrip('t')}"
        with pytest.raises(interpreters.Unavailable, match=complaint):
            interpreters.examine(interpreters.FLAVOURS[name], sys.executable)


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


@pytest.mark.parametrize("name", NAMES)
def test_a_cached_build_without_the_tests_of_cpython_is_passed_over(interpreters, name, tmp_path, monkeypatch, capsys):
    """Earlier builds lack the `test` package; the rest of such a build is fit, as its answers show."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    version = name.rstrip("t")
    fake = tmp_path / "ft_utils" / f"cpython-{version}.5" / name / "bin" / f"python{name}"
    fake.parent.mkdir(parents=True)
    facts = {"executable": str(fake), "implementation": "cpython", "version": version, "header": True}
    facts["free_threaded"] = name.endswith("t")
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


def test_each_series_is_built_from_its_own_source(interpreters, building, tmp_path, monkeypatch):
    """The builds of one series come from one download."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    downloads = []
    monkeypatch.setattr(building, "build_in", lambda work, flavours: downloads.append([f.name for f in flavours]))
    wanted = [interpreters.FLAVOURS[name] for name in ("3.13", "3.14", "3.13t", "3.15t")]
    made = set()

    def cached(flavour):
        if flavour.name in made:
            return f"/made/{flavour.name}"
        made.add(flavour.name)  # by the build that comes between the two questions
        return None

    assert building.build(wanted, cached) == {flavour.name: f"/made/{flavour.name}" for flavour in wanted}
    assert downloads == [["3.13", "3.13t"], ["3.14"], ["3.15t"]]
    assert [(f.series.package, f.series.suite) for f in wanted[1:]] == [
        ("python3.14", "forky"),
        ("python3.13", "trixie"),
        ("python3.15", "forky"),
    ]


def test_the_others_that_are_here_are_ready(interpreters, tmp_path, monkeypatch, capsys):
    """Nothing is fetched or built for them; the two that are always needed are not among them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for flavour in interpreters.FLAVOURS.values():
        monkeypatch.delenv(flavour.variable, raising=False)
    assert interpreters.main(["--ready"]) == 0
    assert capsys.readouterr().out == ""
    for name in ("3.13", "3.14t"):
        fake = tmp_path / f"python{name}"
        facts = {"executable": str(fake), "implementation": "cpython", "version": name.rstrip("t"), "header": True}
        facts |= {"free_threaded": name.endswith("t"), "missing": []}
        fake.write_text(f"#!/bin/sh\necho '{json.dumps(facts)}'\n")
        fake.chmod(0o755)
    assert interpreters.main(["--ready"]) == 0
    assert capsys.readouterr().out == "3.14t\n"
    monkeypatch.setenv(interpreters.FLAVOURS["3.15"].variable, str(tmp_path / "absent"))
    assert interpreters.main(["--ready"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("interpreters: error: FT_UTILS_PYTHON_3_15 is set, but ")


def maven_that(tmp_path, monkeypatch, script):
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "mvn").write_text("#!/bin/sh\n" + script)
    (folder / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the artefact is for x86-64")
def test_an_artefact_of_maven_is_unpacked_into_the_cache(interpreters, tmp_path, monkeypatch, capsys):
    facts = {"implementation": "cpython", "version": "3.14", "header": True, "free_threaded": False, "missing": []}
    inside = "org/bytedeco/cpython/linux-x86_64/"
    jar = tmp_path / "made.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        answer = json.dumps(facts)[:-1]
        archive.writestr(inside + "bin/python3.14", f"#!/bin/sh\necho '{answer}, \"executable\": \"'$0'\"}}'\n")
        archive.writestr(inside + "include/Python.h", "")
        archive.writestr("META-INF/MANIFEST.MF", "")
    maven_that(tmp_path, monkeypatch, f'for a; do case $a in -DoutputDirectory=*) cp {jar} "${{a#*=}}";; esac; done\n')
    found = interpreters.from_maven(interpreters.FLAVOURS["3.14"])
    assert found == str(tmp_path / "ft_utils/cpython-3.14.3/3.14/bin/python3.14")
    assert (tmp_path / "ft_utils/cpython-3.14.3/3.14/include/Python.h").exists()
    assert not list((tmp_path / "ft_utils").glob("work-*"))
    for name in set(NAMES) - {"3.14"}:
        assert interpreters.from_maven(interpreters.FLAVOURS[name]) is None
    capsys.readouterr()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the artefact is for x86-64")
def test_a_maven_that_cannot_fetch_is_passed_over(interpreters, tmp_path, monkeypatch, capsys):
    maven_that(tmp_path, monkeypatch, "echo 'no such artefact'\nexit 1\n")
    assert interpreters.from_maven(interpreters.FLAVOURS["3.14"]) is None
    line = capsys.readouterr().err.splitlines()[-1]
    assert "passed over: mvn did not fetch org.bytedeco:cpython" in line and line.endswith("(no such artefact)")


def test_the_script_runs_from_any_directory(interpreters, tmp_path):
    """Also where the directory of a script is kept off the path."""
    for safe in ("", "1"):
        answer = subprocess.run(
            [sys.executable, str(SCRIPT), HERE],
            env={**os.environ, interpreters.FLAVOURS[HERE].variable: sys.executable, "PYTHONSAFEPATH": safe},
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
        )
        assert answer.returncode == 0, answer.stderr
        assert os.path.samefile(answer.stdout.strip(), getattr(sys, "_base_executable", sys.executable))
