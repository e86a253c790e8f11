"""The pages as a browser shows them: the flame graph as one file, and what the viewer serves."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_utils.contention import Profile

from ..support.browser import Browser
from ..support.command import PROGRAM, contention, viewing

FUNCTIONS = ("Store.refresh_prices", "Store.answer_query")
BOXES = "[...document.querySelectorAll('#graph button')]"


def box(name: str) -> str:
    """The first box whose text begins so, as an expression."""
    return f"{BOXES}.find(b => b.textContent.startsWith({json.dumps(name)}))"


@pytest.fixture(scope="module")
def page(profile: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "flame.html"
    outcome = contention("view", "-o", file, profile)
    assert outcome.code == 0 and not outcome.err, outcome
    return file.as_uri()


@pytest.fixture(autouse=True)
def no_errors(browser: Browser) -> Iterator[None]:
    yield
    assert not browser.errors


def lines_of(profile: Path) -> list[dict[str, Any]]:
    outcome = contention("report", "--json", "--by", "line", profile)
    found: list[dict[str, Any]] = json.loads(outcome.out)["lines"]
    return found


# --- one file -------------------------------------------------------------------------------------------------------


def test_flame_graph_shows_functions_places_and_times(browser: Browser, page: str, profile: Path) -> None:
    browser.open(page)
    shown = browser.text()
    for line in lines_of(profile):
        assert line["function"] in FUNCTIONS
        assert f"{line['function']} {PROGRAM.name}:{line['line']} " in shown
        title = browser.evaluate(box(line["function"]) + ".title")
        assert f"{PROGRAM}:{line['line']}" in title and f"{line['count']} contentions" in title
    assert f"IntervalLock {PROGRAM.name}:" in shown
    assert " waited for locks in " in shown and "sampled in time" in shown


def test_flame_graph_asks_for_nothing(browser: Browser, page: str) -> None:
    browser.open(page)
    assert {url for url in browser.requests if not url.startswith("data:")} == {page}


def test_a_click_zooms(browser: Browser, page: str) -> None:
    browser.open(page)
    whole = browser.evaluate(box("all") + ".offsetWidth")
    assert browser.evaluate(box("writer") + ".offsetWidth") < whole
    browser.click(box("writer"))
    assert browser.evaluate(box("writer") + ".offsetWidth") == whole
    assert "Store.refresh_prices" in browser.text() and "Store.answer_query" not in browser.text()
    zoomed = browser.evaluate("location.href")
    browser.press("Escape")
    browser.click(box("all"))
    assert "Store.answer_query" in browser.text()
    browser.open(zoomed)  # the address brings it back
    assert browser.evaluate(box("writer") + ".offsetWidth") == whole
    browser.click("document.querySelector('button[type=reset]')")
    assert "Store.answer_query" in browser.text()


def test_search_marks_and_measures(browser: Browser, page: str, profile: Path) -> None:
    browser.open(page)
    browser.click("document.querySelector('#search')")
    browser.type("refresh_.rices")
    assert browser.evaluate(f"{BOXES}.filter(b => b.classList.contains('hit')).map(b => b.textContent)[0]").startswith(
        "Store.refresh_prices"
    )
    lines = lines_of(profile)
    part = sum(line["ns"] for line in lines if line["function"] == "Store.refresh_prices") / sum(
        line["ns"] for line in lines
    )
    found = browser.evaluate("document.querySelector('#found').textContent")
    assert found.endswith(" % found") and abs(float(found.split()[0]) - 100 * part) < 0.06
    browser.open(page + "#search=%5Bno%20expression")
    assert browser.evaluate("document.querySelector('#found').textContent") == "0.0 % found"


def choose(browser: Browser, menu: str, value: str) -> None:
    browser.evaluate(
        f"(m => {{ m.value = {json.dumps(value)}; m.dispatchEvent(new Event('change')) }})"
        f"(document.querySelector('#{menu}'))"
    )


def test_holders_threads_and_other_waits(browser: Browser, page: str) -> None:
    browser.open(page)
    choose(browser, "group", "thread")
    assert "reader-0" in browser.text()
    choose(browser, "kind", "holding")
    assert "Store.refresh_prices" in browser.text() and "writer-0" in browser.text()
    choose(browser, "group", "lock")
    assert browser.evaluate(f"{BOXES}[1].textContent").startswith("IntervalLock ")
    choose(browser, "kind", "waiting")
    assert browser.evaluate(f"{BOXES}[1].textContent").startswith("Event ")
    assert "Store.refresh_prices" not in browser.text()


def test_names_are_text(browser: Browser, profile: Path, tmp_path: Path) -> None:
    """Whatever a function, a lock or a file is called, none of it becomes a part of the page."""
    evil = "</script><script>document.title = 'run'</script><!--<b>&amp;"
    data = Profile.read(profile).data
    data["command"] = evil
    for what, field in (("frames", "function"), ("locks", "name"), ("samples", "thread")):
        for item in data[what]:
            item[field] = evil
    name = tmp_path / f"{evil.replace('/', '')}.pb.gz"
    Profile(data).write(name)
    file = tmp_path / "flame.html"
    assert contention("view", "-o", file, name).code == 0
    browser.open(file.as_uri() + "#group=thread")
    assert browser.evaluate("document.title") == name.name
    assert browser.evaluate("document.querySelector('h1').textContent") == evil
    assert browser.text().count(evil) > 5  # the command, a thread, its frames and the lock
    assert browser.evaluate("document.querySelectorAll('b').length") == 0


# --- the viewer -----------------------------------------------------------------------------------------------------


def test_viewer_shows_the_functions(browser: Browser, profile: Path) -> None:
    with viewing(profile) as (_, address):
        widest = max(lines_of(profile), key=lambda line: line["ns"])["function"]  # narrow boxes of a graph have no text
        pages = {"": (widest,), "top": FUNCTIONS, "peek?f=answer_query": ("Store.answer_query",)}
        for path, functions in pages.items():
            browser.open(address + path)
            shown = browser.text()
            for function in functions:
                assert function in shown, path
            assert all(url.startswith((address, "data:")) for url in browser.requests), browser.requests
            assert not browser.errors
        browser.open(address + "source?f=refresh_prices")
        assert "time.sleep(0.004)  # the work that should be done outside" in browser.text()
        browser.open(address + "flamegraph?si=blocking")
        assert "Store.refresh_prices" in browser.text()


def test_viewer_offers_what_it_serves(browser: Browser, profile: Path) -> None:
    with viewing(profile) as (_, address):
        browser.open(address + "top")

        def offered(element: str) -> bool:
            return bool(browser.evaluate(f"getComputedStyle(document.getElementById('{element}')).display !== 'none'"))

        assert [offered(name) for name in ("flamegraph", "topbtn", "list", "peek")] == [True] * 4
        assert [offered(name) for name in ("config", "disasm", "save-dialog", "delete-dialog")] == [False] * 4
        assert offered("graphbtn") == bool(shutil.which("dot"))
