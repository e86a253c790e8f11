"""Profiles in memory and in files: there and back, whole or not at all, without leaks, and what is refused."""

import gzip
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

import ft_utils.contention as contention
from ft_utils.contention import Profile, ProfileError

from ..support.process import TESTS, run_isolated

DOCUMENT = TESTS.parent / "docs" / "contention.md"


def canonical(profile: Profile) -> list[str]:
    """The samples with what they share in full, since formats may number that as they like."""
    data = profile.data
    samples = []
    for sample in data["samples"]:
        frames = [data["frames"][index] for index in sample["stack"]]
        histogram = "".join(f" {n}" for n in sample["histogram"]).rstrip(" 0")
        whole = {**sample, "lock": data["locks"][sample["lock"]], "stack": frames, "histogram": histogram}
        samples.append(json.dumps(whole, sort_keys=True))
    return sorted(samples)


def test_there_and_back(profile: Path, tmp_path: Path) -> None:
    read = Profile.read(profile)
    assert {sample["role"] for sample in read.data["samples"]} == {"waiter", "holder"}
    read.write(tmp_path / "again.pb.gz")
    again = Profile.read(tmp_path / "again.pb.gz")
    assert canonical(again) == canonical(read)
    for name in ("command", "start_unix_ns", "duration_ns", "rate", "minimum_ns", "dropped"):
        assert again.data[name] == read.data[name]
    assert Profile.from_json(read.to_json()).data == read.data


def test_document_shows_a_profile(tmp_path: Path) -> None:
    """What docs/contention.md shows of the recorder's JSON is taken and comes back whole."""
    (text,) = re.findall(r"^```json\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    shown = Profile.from_json(text)
    shown.write(tmp_path / "p")
    back = Profile.read(tmp_path / "p")
    holder = next(sample for sample in shown.data["samples"] if sample["role"] == "holder")
    assert canonical(back) == canonical(Profile(with_defaults(shown.data))) and "histogram" not in holder


def with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"samples": [{"max_ns": 0, "histogram": []} | sample for sample in data["samples"]]}


def test_plain_protobuf_is_read_too(profile: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.pb"
    plain.write_bytes(gzip.decompress(profile.read_bytes()))
    assert Profile.read(plain).data == Profile.read(profile).data


def test_equal_profiles_are_equal_files(profile: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        Profile.read(profile).write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_speedscope(profile: Path, tmp_path: Path) -> None:
    Profile.read(profile).write(tmp_path / "p.json", "speedscope")
    scope = json.loads((tmp_path / "p.json").read_text())
    names = [frame["name"] for frame in scope["shared"]["frames"]]
    assert "store_program.Store.answer_query" in names
    totals = [sum(part["weights"]) for part in scope["profiles"]]
    samples = Profile.read(profile).data["samples"]
    locks = sum(s["ns"] for s in samples if s["role"] == "waiter" and s["side"] != "wait")
    waits = sum(s["ns"] for s in samples if s["side"] == "wait")
    assert totals == [locks, waits, sum(s["ns"] for s in samples if s["role"] == "holder")]


def test_within_a_program(tmp_path: Path) -> None:
    with contention.profile(tmp_path / "p.pb.gz", rate=2, minimum=0.5):
        with pytest.raises(RuntimeError, match="being recorded already"):
            contention.start()
    read = Profile.read(tmp_path / "p.pb.gz").data
    assert (read["rate"], read["minimum_ns"], read["samples"]) == (2, 500_000_000, [])
    contention.start()
    assert contention.stop().data["rate"] == 1
    with pytest.raises(RuntimeError, match="not being recorded: start"):
        contention.stop()


@pytest.mark.parametrize(
    ("file", "format", "sentence"),
    [
        ("p", "nonsense", "there is no format 'nonsense'"),
        ("gone/p", "pprof", "there is no directory"),
        (".", "speedscope", "it is a directory"),
    ],
)
def test_what_cannot_be_written_is_not_begun(tmp_path: Path, file: str, format: str, sentence: str) -> None:
    with pytest.raises(ProfileError, match=sentence):
        with contention.profile(tmp_path / file, format=format):
            pytest.fail("the block runs")
    with pytest.raises(RuntimeError, match="not being recorded: start"):
        contention.stop()


def test_a_block_that_fails_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(KeyError) as caught:
        with contention.profile(tmp_path / "p", rate=3):
            raise KeyError("own")
    assert not hasattr(caught.value, "__notes__")
    assert Profile.read(tmp_path / "p").data["rate"] == 3


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, StopIteration])
def test_the_exception_of_the_block_wins(tmp_path: Path, error: type[BaseException]) -> None:
    """The folder has gone meanwhile, or the recording: that is a note of it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    own = error("own")
    with pytest.raises(error) as caught:
        with contention.profile(folder / "p"):
            folder.rmdir()
            raise own
    assert caught.value is own
    assert "cannot be written: no such file" in own.__notes__[0]
    with pytest.raises(error) as caught:
        with contention.profile(tmp_path / "p"):
            contention.stop()
            raise own
    assert caught.value is own and "not being recorded" in own.__notes__[1]
    assert not (tmp_path / "p").exists()


def test_the_file_is_where_it_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not where the block has gone."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with contention.profile("p"):
        monkeypatch.chdir("elsewhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "p"]


@pytest.mark.parametrize(
    ("option", "values", "error", "sentence"),
    [
        ("rate", (0, -1, 2**32), ValueError, "rate must be from 1"),
        ("rate", ("1", 1.5, None), TypeError, "integer"),
        (
            "minimum",
            (-0.1, float("nan"), float("inf"), 1e9, 10**400, -(10**400), 10**5000),
            ValueError,
            "minimum must be from 0",
        ),
        ("minimum", ("1", None), TypeError, "minimum must be a number of seconds, not"),
    ],
)
def test_wrong_options(option: str, values: tuple[Any, ...], error: type[Exception], sentence: str) -> None:
    """They change nothing: there is no recording afterwards."""
    for value in values:
        with pytest.raises(error, match=sentence):
            contention.start(**{option: value})
    with pytest.raises(RuntimeError, match="not being recorded: start"):
        contention.stop()


def test_text_that_is_no_profile() -> None:
    for text in "nothing", "[" * 100_000:
        with pytest.raises(ProfileError, match="no JSON"):
            Profile.from_json(text)
    with pytest.raises(ProfileError, match='there is no "duration_ns"'):
        Profile.from_json('{"start_unix_ns": 1}').write("/nonexistent/p")


# --- files ----------------------------------------------------------------------------------------------------------


def test_permissions_are_those_of_any_new_file(profile: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    Profile.read(profile).write(tmp_path / "p.pb.gz")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "p.pb.gz")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("change", ["role", "lock", "format"])
def test_nothing_half_written_stays(profile: Path, tmp_path: Path, change: str) -> None:
    """Nor does a failure touch the file that was there."""
    file = tmp_path / "p.pb.gz"
    file.write_bytes(b"before")
    read = Profile.read(profile)
    if change != "format":
        read.data["samples"][0][change] = {"role": "nobody", "lock": 99}[change]
    with pytest.raises(ProfileError, match={"role": '"nobody"', "lock": "lock 99 of", "format": "'xml'"}[change]):
        read.write(file, "xml" if change == "format" else "pprof")
    assert os.listdir(tmp_path) == ["p.pb.gz"] and file.read_bytes() == b"before"


def test_no_room_for_the_file(profile: Path) -> None:
    run_isolated(
        f"""
import resource
from ft_utils.contention import Profile, ProfileError
profile = Profile.read({str(profile)!r})
os.chdir({str(profile.parent)!r})
before = os.listdir()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
try:
    profile.write("new.pb.gz")
except ProfileError as error:
    print(error)
assert os.listdir() == before
""",
        expect_out="new.pb.gz cannot be written: file too large",
    )


def test_what_is_no_file_stays(profile: Path, tmp_path: Path) -> None:
    """A pipe is written to, also by its number in this process, and a link leads to the file that is replaced."""
    read = Profile.read(profile)
    read.write(tmp_path / "plain")
    whole = (tmp_path / "plain").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)
    for name in (tmp_path / "pipe", f"/dev/fd/{writer}"):
        read.write(name)  # it fits into the pipe
        assert os.read(reader, 1 << 20) == whole
    os.close(writer), os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)

    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    for _ in "new", "old":
        read.write(tmp_path / "link")
        assert os.readlink(tmp_path / "link") == "folder/file" and os.listdir(tmp_path / "folder") == ["file"]
        assert (tmp_path / "folder" / "file").read_bytes() == whole
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ProfileError, match="loop cannot be written: too many levels of symbolic links"):
        read.write(tmp_path / "loop")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file"),
        (b"", "no profile in pprof's format, or a damaged one"),
        (b"hello\n" * 100, "no profile in pprof's format, or a damaged one"),
        (b'{"$schema": "https://www.speedscope.app/"}', "it is JSON"),
        (b"\x1f\x8b" + b"x" * 50, "its gzip is damaged"),
        (gzip.compress(b"x" * 10_000)[:-9], "its gzip is cut short"),
        (gzip.compress(b"hello"), "no profile in pprof's format, or a damaged one"),
    ],
    ids=["missing", "empty", "text", "speedscope", "damaged", "cut", "other gzip"],
)
def test_other_files(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "p.pb.gz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ProfileError) as caught:
        Profile.read(file)
    assert str(caught.value).startswith(f"{file} cannot be read: ") and sentence in str(caught.value)


def test_what_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_utils._profiling.profile._MOST", 10_000)
    (tmp_path / "p").write_bytes(gzip.compress(b"\0" * 20_000))
    with pytest.raises(ProfileError, match="too large"):
        Profile.read(tmp_path / "p")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="is a directory"):
        Profile.read(tmp_path)


# --- the process ----------------------------------------------------------------------------------------------------


def test_strings_that_cross_are_freed(profile: Path) -> None:
    """Each round turns about a megabyte of text: a string that was kept would show at once."""
    run_isolated(
        f"""
from ft_utils.contention import Profile, ProfileError
from ft_utils._profiling.profile import ask_go
data = Profile.read({str(profile)!r}).data
data["frames"] += [dict(data["frames"][0], line=n) for n in range(4000)]
for sample in data["samples"]:
    sample["stack"] = list(range(len(data["frames"]) - 4000, len(data["frames"])))
text = Profile(data).to_json()
broken = text[:-1]

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def rounds(n):
    for _ in range(n):
        assert ask_go("Profile", ask_go("Pprof", text))
        assert ask_go("Speedscope", text)
        try:
            ask_go("Pprof", broken)
        except ProfileError:
            continue
        raise SystemExit("accepted")

rounds(10)
before = resident()
rounds(30)
grown = resident() - before
assert grown < 12 * len(text), (grown, len(text))
""",
        timeout=110,
    )


def test_recording_again_and_again_leaks_nothing() -> None:
    """A table that was kept would be 0.7 MB each time, and each wait is at a new code object."""
    run_isolated(
        """
        from ft_utils import _recorder
        from ft_utils.synchronization import Lock
        lock = Lock()
        lock.acquire()

        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        def rounds(n):
            for _ in range(n):
                _recorder.start()
                for _ in range(3):
                    code = compile("lock.acquire(timeout=1e-9)", "made up", "exec")
                    exec(code, {"lock": lock})
                assert sum(s["count"] for s in _recorder.stop()["samples"]) == 3

        rounds(50)
        before = resident()
        rounds(200)
        assert resident() - before < 20_000_000
        """
    )


def test_forked_child(profile: Path, tmp_path: Path) -> None:
    """Go's library is dead in the child of a process that had loaded it: there another process reads and writes."""
    run_isolated(
        f"""
import warnings
from ft_utils import _locks, contention
from ft_utils.contention import Profile, ProfileError
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with Go's threads
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody learns its exit code

whole = Profile.read({str(profile)!r}).data
if os.fork() == 0:
    assert not _locks.load_go()
    assert Profile.read({str(profile)!r}).data == whole
    with contention.profile({str(tmp_path / "p")!r}):
        pass
    Profile(whole).write({str(tmp_path / "q")!r}, "speedscope")
    try:
        Profile({{"start_unix_ns": 1}}).write({str(tmp_path / "r")!r})
    except ProfileError as error:
        assert str(error).startswith('the JSON of the profile cannot be read: there is no "duration_ns"'), error
    print("done")
    sys.stdout.flush()
    os._exit(0)
try:
    os.wait()
except ChildProcessError:
    pass  # it has ended
""",
        expect_out="done",
    )
    assert Profile.read(tmp_path / "p").data["samples"] == []
    assert json.loads((tmp_path / "q").read_text())["$schema"] and sorted(os.listdir(tmp_path)) == ["p", "q"]


def test_no_go_anywhere(tmp_path: Path) -> None:
    """Under a limit on memory that leaves Go no room in any process what was recorded is kept as JSON."""
    name = "p" * 255
    run_isolated(
        f"""
import resource
from ft_utils import _locks, contention
resource.setrlimit(resource.RLIMIT_AS, (1_500_000 << 10,) * 2)
os.chdir({str(tmp_path)!r})
try:
    with contention.profile({name!r}):
        pass
except contention.ProfileError as error:
    assert not _locks.go_loaded()
    print(str(error).replace({str(tmp_path / name)!r}, "NAME").replace({str(tmp_path / name[:250])!r}, "NAME"))
""",
        expect_out="NAME cannot be written: ft_utils' Go library cannot be used in this process, which was forked "
        "after the library was loaded or has no room for it, nor in a new one; what was recorded is in NAME.json, for "
        "Profile.from_json()",
        expect_err="raise ulimit -v",
    )
    (kept,) = tmp_path.iterdir()
    assert kept.name == name[:250] + ".json"
    back = Profile.from_json(kept.read_text())
    back.write(tmp_path / "back")
    assert Profile.read(tmp_path / "back").data["samples"] == back.data["samples"] == []


def test_import_is_light() -> None:
    """The package itself loads neither Go nor rich, and starts no thread."""
    run_isolated(
        """
import ft_utils.contention
from ft_utils import _locks
assert not _locks.go_loaded() and "rich" not in sys.modules and "ft_utils._golib" not in sys.modules
assert len(os.listdir("/proc/self/task")) == 1
"""
    )
