"""What a wheel says of itself: the page of an index, the bill of materials, licences."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"dist_info_{name}", ROOT / "dist_info" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def index_page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("FT_UTILS_URL", raising=False)
    return load("index_page")


@pytest.fixture
def sbom() -> ModuleType:
    return load("sbom")


PAGE = """\
[one](docs/one.md), [`two`](#two), [three](https://three.invalid/x), ![a plot](docs/plot.svg)

```
[code](docs/code.md)
```
"""


def test_without_an_address_links_are_text(index_page: ModuleType) -> None:
    assert index_page.page(PAGE, "1.2") == (
        "one, `two`, [three](https://three.invalid/x), (a plot)\n\n```\n[code](docs/code.md)\n```\n"
    )
    assert index_page.project_urls("1.2") == {}


def test_with_an_address_links_lead_to_the_tag(index_page: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_UTILS_URL", "https://host.invalid/o/n/")
    first = index_page.page(PAGE, "1.2").splitlines()[0]
    assert first == (
        "[one](https://host.invalid/o/n/blob/v1.2/docs/one.md), "
        "[`two`](https://host.invalid/o/n/blob/v1.2/README.md#two), "
        "[three](https://three.invalid/x), "
        "![a plot](https://host.invalid/o/n/raw/v1.2/docs/plot.svg)"
    )
    assert index_page.project_urls("1.2")["Changelog"] == "https://host.invalid/o/n/blob/v1.2/CHANGELOG.md"


@pytest.mark.parametrize("value", ["host/o/n", "http://host.invalid/o", "https://host.invalid"])
def test_something_else_than_an_address_is_refused(
    index_page: ModuleType, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FT_UTILS_URL", value)
    with pytest.raises(ValueError, match="FT_UTILS_URL has to be the address of the repository"):
        index_page.page(PAGE, "1.2")


@pytest.mark.parametrize("address", ["", "https://host.invalid/o/n"])
def test_the_readme_has_no_relative_link_on_an_index(
    index_page: ModuleType, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("FT_UTILS_URL", address)
    text = index_page.page((ROOT / "README.md").read_text(), "1.2")
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)]*)\)", outside)
    assert bool(targets) == bool(address)
    for target in targets:
        assert target.startswith("https://")
        path = target.removeprefix("https://host.invalid/o/n/").split("#")[0]
        kind, tag, file = path.split("/", 2)
        assert kind in ("blob", "raw") and tag == "v1.2" and (ROOT / file).exists(), f"there is no {file}"


def says(sbom: ModuleType, monkeypatch: pytest.MonkeyPatch, dependencies: str) -> None:
    """Have `go version -m` say this of every file."""

    class Done:
        returncode = 0
        stdout = f"x.so: go1.26.8\n\tpath\tp\n\tmod\tft_utils\t(devel)\t\n{dependencies}"

    monkeypatch.setattr(sbom.subprocess, "run", lambda *args, **options: Done)


def test_the_bill_names_what_is_linked_in(sbom: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "x.so").touch()
    says(sbom, monkeypatch, "\tdep\tgithub.com/go-python/gopy\tv0.4.10\th1:abc=\n")
    sbom.write("name", "1.2", tmp_path, tmp_path / "dist-info")
    bill = json.loads((tmp_path / "dist-info" / "sboms" / sbom.FILE).read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["purl"]) == ("CycloneDX", "pkg:pypi/name@1.2")
    assert [(c["purl"], c["licenses"]) for c in bill["components"]] == [
        ("pkg:golang/github.com/go-python/gopy@v0.4.10", [{"license": {"id": "BSD-3-Clause"}}]),
        ("pkg:golang/std@1.26.8", [{"license": {"id": "BSD-3-Clause"}}]),
    ]
    assert bill == sbom.bill("name", "1.2", tmp_path), "the same input gives another bill"


def test_a_module_without_a_licence_stops_the_build(
    sbom: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "x.so").touch()
    says(sbom, monkeypatch, "\tdep\texample.invalid/new\tv1.0.0\th1:abc=\n")
    with pytest.raises(sbom.Incomplete, match=r"the Go module example\.invalid/new is linked in: put its licence into"):
        sbom.bill("name", "1.2", tmp_path)


def test_a_bill_of_nothing_stops_the_build(sbom: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "x.py").touch()
    with pytest.raises(sbom.Incomplete, match=r"no file in .* says what Go has built it of"):
        sbom.bill("name", "1.2", tmp_path)


def test_each_licence_has_its_text(sbom: ModuleType) -> None:
    named = {file for _, file in sbom.LICENCES.values()}
    assert named <= {path.name for path in (ROOT / "licenses").glob("*.txt")}
    for file in named:
        assert "Redistribution" in (ROOT / "licenses" / file).read_text()
