"""`view`: the program that serves the pages, and the page that is written."""

import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

import ft_utils
from ft_utils.contention import Profile

from ..support.command import contention, viewing
from ..support.threads import LIMIT, until
from .test_run import fails

VIEWER = Path(ft_utils.__file__).parent / "_viewer"


def get(port: int, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def port_of(address: str) -> int:
    return int(address.rstrip("/").rpartition(":")[2])


def test_viewer_is_installed() -> None:
    assert os.access(VIEWER, os.X_OK)
    assert VIEWER.read_bytes()[:4] == b"\x7fELF"


def test_wheel_stays_small() -> None:
    """What is installed, packed as in a wheel, is below the 6 MB that a package with a viewer may have."""
    package = VIEWER.parent
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert VIEWER in files
    assert sum(len(zlib.compress(path.read_bytes())) for path in files) < 5_900_000


def test_a_profile_from_a_pipe(profile: Path, tmp_path: Path) -> None:
    """As a shell's <(...) gives it: it can be read once."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)
    os.write(writer, profile.read_bytes())  # it fits into the pipe
    closing = threading.Thread(target=lambda: (until(lambda: not readable(reader), "a reader"), os.close(writer)))
    closing.start()
    with viewing(tmp_path / "pipe") as (_, address):
        closing.join(LIMIT)
        status, body = get(port_of(address), "/top")
        assert status == 200 and b"answer_query" in body
    os.close(reader)


def readable(number: int) -> bool:
    return bool(select.select([number], [], [], 0)[0])


def test_serves_this_machine_alone(profile: Path) -> None:
    """It listens on loopback, answers to the names of that alone, and has no route that writes."""
    with viewing(profile) as (process, address):
        port = port_of(address)
        assert listening(process.pid) == {("127.0.0.1", port)}
        assert get(port, "/top")[0] == 200
        for host in (f"localhost:{port}", f"[::1]:{port}"):
            assert get(port, "/top", host)[0] == 200
        for host in ("example.org", f"example.org:{port}", "localhost", f"localhost:{port + 1}"):
            status, body = get(port, "/top", host)
            assert status == 403 and b"Store" not in body
        for path in ("/saveconfig?config=x", "/deleteconfig?config=x", "/disasm"):
            assert get(port, path)[0] == 404
        assert get(port, "/top", method="POST")[0] == 405


def listening(pid: int) -> set[tuple[str, int]]:
    """Where the sockets of a process listen, as Linux tells it."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    inodes = {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                raw = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
                found.add((socket.inet_ntop(family, raw), int(port, 16)))
    return found


def test_nothing_of_python_stays(profile: Path) -> None:
    """The process becomes the viewer: what nobody looks at is not kept."""
    with viewing(profile) as (process, _):
        assert os.readlink(f"/proc/{process.pid}/exe") == str(VIEWER)


def test_port_of_choice(profile: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fails(contention("view", "--no-browser", "--port", str(port), profile), f"port {port} is in use", "view")
    with viewing("--port", str(port), profile) as (_, address):
        assert port_of(address) == port


def test_terminated(profile: Path) -> None:
    with viewing(profile) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_browser_is_opened(profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Python's module, which asks BROWSER first."""
    told = tmp_path / "told"
    os.mkfifo(told)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {told}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ft_utils.contention", "view", str(profile)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert told.read_text().strip() in line and "http://127.0.0.1:" in line
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_page_has_no_links(profile: Path, tmp_path: Path) -> None:
    page = tmp_path / "flame.html"
    outcome = contention("view", "-o", page, profile)
    assert outcome.code == 0 and not outcome.out and not outcome.err
    text = page.read_text()
    assert "Store.refresh_prices" in text and "http" not in text.replace("http-equiv", "")
    assert set(re.findall(r"(?:src|href)=\"([^\"]*)\"", text)) == {"data:,"}
    assert os.listdir(tmp_path) == ["flame.html"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "x"], "'x' is not a port"),
        (["--port", "65536"], "'65536' is not a port"),
        (["--port", "-1"], "'-1' is not a port"),
        (["-o", "/nonexistent/flame.html"], "/nonexistent/flame.html cannot be written: no such file or directory"),
        (["-o", "flame.html", "--port", "8000"], "leave one of them out"),
    ],
    ids=str,
)
def test_refused(
    profile: Path, arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fails(contention("view", *arguments, profile), sentence, "view")
    assert not os.listdir(tmp_path)


def test_profile_is_not_overwritten(profile: Path, tmp_path: Path) -> None:
    copy = tmp_path / "p"
    copy.write_bytes(profile.read_bytes())
    fails(contention("view", "-o", copy, copy), "is the profile itself", "view")
    assert Profile.read(copy).data


def test_file_that_looks_like_an_option(profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-port").write_bytes(profile.read_bytes())
    with viewing("--", "-port") as (_, address):
        assert get(port_of(address), "/top")[0] == 200
