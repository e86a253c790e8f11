"""A headless Chromium, spoken to by its DevTools protocol over a pair of pipes."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 60.0  # for any one answer; a busy machine takes its time


def find() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One process, one page. What the page asks for and what goes wrong in it is kept."""

    def __init__(self, program: str, home: Path) -> None:
        self._messages: list[dict[str, Any]] = []
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._spawn(program, home)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _spawn(self, program: str, home: Path) -> None:
        theirs_in, self._out = high(os.pipe())
        self._in, theirs_out = high(os.pipe())
        options = ["--headless=new", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={home}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # which root cannot have
        null = os.open(os.devnull, os.O_RDWR)
        places = [(null, 0), (null, 1), (null, 2), (theirs_in, 3), (theirs_out, 4)]
        self._pid = os.posix_spawn(
            program,
            [program, *options],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, source, place) for source, place in places],
            setpgroup=0,
        )
        for end in (null, theirs_in, theirs_out):
            os.close(end)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda got: got.get("id") == number, method)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _wait(self, wanted: Any, what: str) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while True:
            for i, message in enumerate(self._messages):
                if wanted(message):
                    return self._messages.pop(i)
            ready, _, _ = select.select([self._in], [], [], max(end - time.monotonic(), 0))
            assert ready, f"no answer to {what} in {SECONDS} s"
            data = os.read(self._in, 1 << 20)
            assert data, f"the browser ended before it answered {what}"
            *whole, self._rest = (self._rest + data).split(b"\0")
            for text in whole:
                self._receive(json.loads(text))

    def _receive(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(message["params"]))
            case "Log.entryAdded" if message["params"]["entry"]["level"] == "error":
                self.errors.append(json.dumps(message["params"]["entry"]))
        self._messages.append(message)

    def open(self, url: str) -> None:
        self._messages.clear()
        self.requests.clear()
        self.errors.clear()
        self.call("Page.navigate", url="about:blank")  # or another fragment alone would load nothing
        self._wait(lambda got: got.get("method") == "Page.loadEventFired", "about:blank")
        self.call("Page.navigate", url=url)
        self._wait(lambda got: got.get("method") == "Page.loadEventFired", url)

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self) -> str:
        """What a person can read on the page."""
        shown: str = self.evaluate("document.body.innerText")
        return shown

    def click(self, expression: str) -> None:
        """Press and release the mouse in the middle of an element."""
        where = "(e => { const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] })"
        x, y = self.evaluate(f"{where}({expression})")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def screenshot(self, file: Path, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        for end in (self._in, self._out):
            os.close(end)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def high(pipe: tuple[int, int]) -> tuple[int, int]:
    """The same pipe under numbers that the browser's own, 3 and 4, do not collide with."""
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pipe)
    for end in pipe:
        os.close(end)
    return reading, writing
