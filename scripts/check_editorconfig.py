#!/usr/bin/env python3
"""Check that the files are as .editorconfig says: a part of `make lint`.

Needs the package `editorconfig`, which reads .editorconfig; what it says is checked here. A tab in the indentation is
found where there shall be spaces; the other way round gofmt and make themselves notice.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import editorconfig

ROOT = Path(__file__).resolve().parents[1]
# Folders that hold nothing of ours, at any depth, and files that are no text.
FOREIGN = {
    *(".git", ".venv", "build", "dist", "__pycache__"),
    *(".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
}
NO_TEXT = {".so", ".o", ".pyc", ".whl", ".gz", ".png"}


def files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in FOREIGN and path.suffix != ".egg-info":
                yield from files(path)
        elif path.is_file() and path.suffix not in NO_TEXT and path.name != ".git":
            yield path


def complaints(path: Path) -> Iterator[str]:
    said = editorconfig.get_properties(str(path))
    data = path.read_bytes()
    try:
        text = data.decode(said["charset"])
    except UnicodeDecodeError as error:
        yield f"is not {said['charset']}: {error.reason} at byte {error.start}"
        return
    if text.startswith("\ufeff"):
        yield "begins with a byte order mark"
    if "\r" in text:
        yield "has a carriage return"
    if text and said["insert_final_newline"] == "true" and not text.endswith("\n"):
        yield "does not end with a newline"
    longest = said.get("max_line_length", "off")
    for number, line in enumerate(text.split("\n"), 1):
        if said.get("trim_trailing_whitespace") == "true" and line != line.rstrip():
            yield f"{number}: blanks at the end of the line"
        if said.get("indent_style") == "space" and "\t" in line[: len(line) - len(line.lstrip())]:
            yield f"{number}: a tab in the indentation"
        if longest != "off" and len(line) > int(longest):
            yield f"{number}: {len(line)} characters, {longest} are the most"


def main() -> int:
    found = [f"{path.relative_to(ROOT)}: {complaint}" for path in files(ROOT) for complaint in complaints(path)]
    for line in found:
        print(line, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
