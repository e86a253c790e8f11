"""The bill of materials of a wheel (PEP 770): what was compiled into it that is not the project's own.

What a Go library has in it, Go has noted in the library itself; `go version -m` reads that. The format is CycloneDX
1.6. The same input gives the same text: no time, no random number.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

# The licence of each module that is linked in, and the file in licenses/ that has its text.
LICENCES = {
    "std": ("BSD-3-Clause", "go.txt"),
    "github.com/go-python/gopy": ("BSD-3-Clause", "gopy.txt"),
    "github.com/google/pprof": ("Apache-2.0", "pprof.txt"),
    "github.com/ianlancetaylor/demangle": ("BSD-3-Clause", "demangle.txt"),
}
FILE = "ft-utils-synchronization.cdx.json"


class Incomplete(Exception):
    """Something is linked in that the bill cannot account for; the message says what to do."""


def modules_of(binary: Path) -> dict[str, tuple[str, str]]:
    """Version and checksum (h1:…, of the module's sources) of each Go module in a file; {} if Go did not build it."""
    done = subprocess.run(["go", "version", "-m", str(binary)], capture_output=True, text=True)
    first, *rest = done.stdout.splitlines() or [""]
    release = re.search(r": go(\S+)$", first)
    if done.returncode or not release:
        return {}
    found = {"std": (release[1], "")}
    for line in rest:
        kind, *fields = line.strip().split("\t")
        if kind == "dep":
            found[fields[0]] = (fields[1], fields[2] if len(fields) > 2 else "")
    return found


def component(module: str, version: str, checksum: str) -> dict[str, Any]:
    if module not in LICENCES:
        raise Incomplete(
            f"the Go module {module} is linked in: put its licence into licenses/ and name it in {Path(__file__).name}"
        )
    licence, file = LICENCES[module]
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"pkg:golang/{module}@{version}",
        "name": "Go runtime and standard library" if module == "std" else module,
        "version": version,
        "purl": f"pkg:golang/{module}@{version}",
        "licenses": [{"license": {"id": licence}}],
        "properties": [{"name": "ft-utils:licence-file", "value": f"licenses/{file}"}],
    }
    if checksum:
        made["properties"].append({"name": "go:sum", "value": checksum})
    return made


def bill(name: str, version: str, folder: Path) -> dict[str, Any]:
    """The bill for the package built in *folder*. Incomplete where a licence is missing."""
    modules: dict[str, tuple[str, str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in {".py", ".pyi"}:
            modules |= modules_of(path)
    if not modules:
        raise Incomplete(f"no file in {folder} says what Go has built it of; put go on PATH and build the library")
    reference = f"pkg:pypi/{name}@{version}"
    components = [component(module, *modules[module]) for module in sorted(modules)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": reference,
                "name": name,
                "version": version,
                "purl": reference,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
        "dependencies": [
            {"ref": reference, "dependsOn": [each["bom-ref"] for each in components]},
            *({"ref": each["bom-ref"]} for each in components),
        ],
    }


def write(name: str, version: str, folder: Path, dist_info: Path) -> None:
    target = dist_info / "sboms" / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(name, version, folder), indent=2) + "\n")


if __name__ == "__main__":
    print(json.dumps(bill("ft-utils-synchronization", sys.argv[1], Path(sys.argv[2])), indent=2))
