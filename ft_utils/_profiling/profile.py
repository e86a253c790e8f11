"""A profile in memory, and the files that it is read from and written to.

The formats are those of golib/contention/profile, which Go reads and writes; text is what crosses, and the gzip around
pprof's format is added here.
"""

import base64
import binascii
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any, Self

from ft_utils import _locks  # type: ignore[attr-defined]

FORMATS = ("pprof", "speedscope")

_FAILED = "error: "  # what an answer of Go begins with that is a sentence
_GZIP = 31  # zlib's word for gzip with the largest window
_MOST = 1 << 29  # no profile has so many bytes; what claims to would fill the memory


class ProfileError(Exception):
    """A profile cannot be read or written; the message is one sentence that says why."""


class Profile:
    """What was recorded. `data` is the object that golib/contention/profile/profile.go describes."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make a profile of the text that to_json() returns. ProfileError where that is no JSON."""
        try:
            return cls(json.loads(text))
        except ValueError as error:
            raise ProfileError(f"what was recorded is no JSON: {error}") from None

    def to_json(self) -> str:
        """Return `data` as JSON, for from_json(). A file of it is not what read() takes: see write()."""
        return json.dumps(self.data)

    @classmethod
    def read(cls, file: str | PathLike[str]) -> Self:
        """Read a file in pprof's format that was written here. ProfileError where it cannot be."""
        path = Path(file)
        try:
            data = unzipped(read_bytes(path))
            return cls.from_json(ask_go("Profile", base64.b64encode(data).decode()))
        except ProfileError as error:
            raise ProfileError(f"{path} cannot be read: {error}") from None

    def write(self, file: str | PathLike[str], format: str = "pprof") -> None:
        """Write the file, whole or not at all, as "pprof" or "speedscope". ProfileError where it cannot be."""
        path = Path(file)
        check_format(format)
        if format == "pprof":
            content = zipped(decoded(ask_go("Pprof", self.to_json())))
        else:
            content = ask_go("Speedscope", self.to_json()).encode()
        with replacing(path) as out:
            out.write(content)


def check_format(format: str) -> None:
    if format not in FORMATS:
        raise ProfileError(f"there is no format {format!r}: take {' or '.join(FORMATS)}")


def check_writable(output: Path) -> None:
    """Say so before anything is recorded, and not when the profile is lost."""
    if output.is_dir():
        raise ProfileError(f"{output} cannot be written: it is a directory")
    if not output.parent.is_dir():
        raise ProfileError(f"{output} cannot be written: there is no directory {output.parent}")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise ProfileError(f"{output} cannot be written: the directory {output.parent} does not let you")


def ask_go(function: str, text: str) -> str:
    """Call one of the functions of golib/contention."""
    if not _locks.load_go():
        raise ProfileError(
            "ft_utils' Go library cannot be used in this process: it was forked after the library was loaded, "
            "or that could not be loaded"
        )
    from ft_utils import _golib  # type: ignore[attr-defined]

    answer: str = getattr(_golib, f"contention_{function}")(text)
    if answer.startswith(_FAILED):
        raise ProfileError(answer.removeprefix(_FAILED))
    return answer


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ProfileError(f"ft_utils' Go library answered {text[:60]!r}") from None


def zipped(data: bytes) -> bytes:
    """As `gzip -n`: without the time, so that equal profiles are equal files."""
    squeeze = zlib.compressobj(wbits=_GZIP)
    return squeeze.compress(data) + squeeze.flush()


def unzipped(data: bytes) -> bytes:
    if data[:1] == b"{":
        raise ProfileError("it is JSON, and only pprof's format is read here: record without --format speedscope")
    if data[:2] != b"\x1f\x8b":
        return data  # pprof's tools take both
    expand = zlib.decompressobj(wbits=_GZIP)
    try:
        out = expand.decompress(data, _MOST)
    except zlib.error:
        raise ProfileError("its gzip is damaged") from None
    if expand.unconsumed_tail:
        raise ProfileError("it is too large for a profile")
    if not expand.eof:
        raise ProfileError("its gzip is cut short")
    return out


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ProfileError("there is no such file") from None
    except OSError as error:
        raise ProfileError(reason(error)) from None


def reason(error: OSError) -> str:
    """The system's own words, as a part of a sentence."""
    words = error.strerror or str(error)
    return words[:1].lower() + words[1:]


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of *path* when the block is through, and leaves nothing when it fails."""
    fresh = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
            fresh = out.name
            os.fchmod(out.fileno(), 0o666 & ~umask())
            yield out
        os.replace(fresh, path)
    except BaseException as error:
        if fresh is not None:
            os.unlink(fresh)
        if isinstance(error, OSError):
            raise ProfileError(f"{path} cannot be written: {reason(error)}") from None
        raise


def umask() -> int:
    """The process's, from a file, since the call that tells it also changes it, for other threads too."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o077
