"""A profile in memory, and the files that it is read from and written to.

The formats are those of golib/contention/profile, which Go reads and writes; text is what crosses, and the gzip around
pprof's format is added here.
"""

import base64
import binascii
import json
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any, Self

from ft_utils import _locks  # type: ignore[attr-defined]
from ft_utils._profiling import elsewhere

FORMATS = ("pprof", "speedscope")

_FAILED = "error: "  # what an answer of Go begins with that is a sentence
_GZIP = 31  # zlib's word for gzip with the largest window
_MOST = 1 << 29  # no profile has so many bytes; what claims to would fill the memory


class ProfileError(Exception):
    """A profile cannot be read or written; the message is one sentence that says why."""


class NoGo(ProfileError):
    """What knows the formats can be had neither in this process nor in another one."""


class Profile:
    """What was recorded. `data` is the object that golib/contention/profile/profile.go describes."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make a profile of the text that to_json() returns. ProfileError where that is no JSON."""
        try:
            return cls(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ProfileError(f"what was recorded is no JSON: {error}") from None

    def to_json(self) -> str:
        """Return `data` as JSON, for from_json(). A file of it is not what read() takes: see write()."""
        return json.dumps(self.data)

    @classmethod
    def read(cls, file: str | PathLike[str]) -> Self:
        """Read a file in pprof's format that was written here. ProfileError where it cannot be."""
        path = Path(file)
        try:
            return cls.from_bytes(read_bytes(path))
        except ProfileError as error:
            raise ProfileError(f"{path} cannot be read: {error}") from None

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """What such a file has in it."""
        return cls.from_json(ask_go("Profile", base64.b64encode(unzipped(content)).decode()))

    def write(self, file: str | PathLike[str], format: str = "pprof") -> None:
        """Write the file, whole or not at all, as "pprof" or "speedscope". ProfileError where it cannot be.

        Where Go can be loaded neither here nor in another process, the JSON is written beside it, and ProfileError
        says so.
        """
        path = Path(file)
        check_format(format)
        try:
            if format == "pprof":
                content = zipped(decoded(ask_go("Pprof", self.to_json())))
            else:
                content = ask_go("Speedscope", self.to_json()).encode()
        except NoGo as error:
            beside = path.with_name(shortened(path.name, 250) + ".json")
            with replacing(beside) as out:
                out.write(self.to_json().encode())
            raise NoGo(
                f"{path} cannot be written: {error}; what was recorded is in {beside}, for Profile.from_json()"
            ) from None
        with replacing(path) as out:
            out.write(content)


def check_format(format: str) -> None:
    if format not in FORMATS:
        raise ProfileError(f"there is no format {format!r}: take {' or '.join(FORMATS)}")


def check_writable(output: Path) -> None:
    """Say so before anything is recorded, and not when the profile is lost."""
    output, mode = target(output)
    if stat.S_ISDIR(mode):
        raise ProfileError(f"{output} cannot be written: it is a directory")
    if mode and not stat.S_ISREG(mode):
        if not os.access(output, os.W_OK):
            raise ProfileError(f"{output} cannot be written: it does not let you")
        return
    if not output.parent.is_dir():
        raise ProfileError(f"{output} cannot be written: there is no directory {output.parent}")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise ProfileError(f"{output} cannot be written: the directory {output.parent} does not let you")


def target(path: Path) -> tuple[Path, int]:
    """What is to be written, behind symbolic links, and the mode of what is there: 0 where there is nothing."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    except OSError as error:
        raise ProfileError(f"{path} cannot be written: {reason(error)}") from None
    plain = mode == 0 or stat.S_ISREG(mode)  # the links of a process to its pipes lead to no path
    return (Path(os.path.realpath(path)) if plain and path.is_symlink() else path), mode


def ask_go(function: str, text: str) -> str:
    """Call one of the functions of golib/contention, in another process where Go cannot be used in this one."""
    answer: str | None
    if _locks.load_go():
        from ft_utils import _golib  # type: ignore[attr-defined]

        answer = getattr(_golib, f"contention_{function}")(text)
    else:
        answer = elsewhere.ask(function, text)
    if answer is None:
        raise NoGo(
            "ft_utils' Go library cannot be used in this process, which was forked after the library was loaded or has "
            "no room for it, nor in a new one"
        )
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


def shortened(name: str, most: int) -> str:
    """The beginning of a name of a file, with room for more in the 255 bytes that it may have."""
    return os.fsdecode(os.fsencode(name)[:most])


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of *path* when the block is through, and leaves nothing when it fails.

    A device or a pipe stays, and is written to.
    """
    path, mode = target(path)
    fresh = None
    try:
        if mode and not stat.S_ISREG(mode):
            with open(path, "wb") as out:
                yield out
            return
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{shortened(path.name, 200)}.", delete=False) as new:
            fresh = new.name
            os.fchmod(new.fileno(), 0o666 & ~umask())
            yield new
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
