"""An exception is on its way out of a wait, and the lock cannot be taken or released: neither of the two gets lost."""

from types import ModuleType

import pytest

from ..support.process import run_isolated

# What acquire() of the lock does at the end of a wait that KeyboardInterrupt ended; which exceptions there are then,
# each the context of the one before.
FAILURES = {
    "an exception": ("raise OSError", "OSError KeyboardInterrupt"),
    "one with a context": (
        """
            try:
                1 / 0
            except ArithmeticError:
                raise OSError
        """,
        "OSError ZeroDivisionError KeyboardInterrupt",
    ),
    "the same one": ("raise sent[0]", "KeyboardInterrupt"),
    "one from behind it": ("raise sent[0].__context__", "LookupError KeyboardInterrupt"),
    "one of a ring": (
        """
            one, two = OSError(), ValueError()
            one.__context__, two.__context__ = two, one
            raise one
        """,
        "OSError KeyboardInterrupt",
    ),
}

INTERRUPTED = """
import {module} as module
from support.threads import LIMIT, until
sent = []

class Failing:
    def __init__(self):
        self.lock, self.released = threading.Lock(), False
        self.locked = self.lock.locked

    def acquire(self, *args):
        if self.released:
            self.fail()
        return self.lock.acquire(*args)

    def release(self):
        self.lock.release()
        self.released = True

    def fail(self):
        {failure}

    def _is_owned(self):
        return True

def handler(number, frame):
    if frame.f_code.co_name in ("wait", "call") and not sent:  # not in a method of the lock
        try:
            raise LookupError
        except LookupError:
            sent.append(KeyboardInterrupt())
            raise sent[0]

def interrupt():
    until(lambda: lock.released)
    def is_sent():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        return sent
    until(is_sent)

def call():
    condition.wait(LIMIT)

signal.signal(signal.SIGUSR1, handler)
lock = Failing()
condition = module.Condition(lock)
lock.acquire()
helper = threading.Thread(target=interrupt)
helper.start()
try:
    {around}
except BaseException as error:
    while error is not None:
        print(type(error).__name__)
        error = error.__context__
helper.join(LIMIT)
"""

OUTSIDE = """
    try:
        raise AssertionError
    except AssertionError:
        call()
"""


@pytest.mark.parametrize("failure", FAILURES)
def test_lock_that_cannot_be_taken_again(module: ModuleType, failure: str) -> None:
    code, chain = FAILURES[failure]
    expected = chain.split() if "from behind" in failure else [*chain.split(), "LookupError"]
    run_isolated(
        INTERRUPTED.format(module=module.__name__, failure=code, around="call()"), expect_out="\n".join(expected)
    )


@pytest.mark.parametrize("failure", ["an exception", "one with a context"])
def test_in_the_handling_of_another_exception(module: ModuleType, failure: str) -> None:
    """Which is the context of both, and told once."""
    code, chain = FAILURES[failure]
    expected = [*chain.split(), "LookupError", "AssertionError"]
    run_isolated(
        INTERRUPTED.format(module=module.__name__, failure=code, around=OUTSIDE), expect_out="\n".join(expected)
    )


def test_event_whose_lock_was_released_meanwhile(module: ModuleType) -> None:
    event = module.Event()
    condition, lost = event._cond, KeyError("lost")

    def fail() -> None:
        condition.release()
        raise lost

    condition.notify_all = fail
    with pytest.raises(RuntimeError, match="unlocked") as raised:
        event.set()
    assert raised.value.__context__ is lost and lost.__context__ is None


def test_exception_of_an_event_that_releases_its_lock(module: ModuleType) -> None:
    event = module.Event()
    condition, lost = event._cond, KeyError("lost")

    def fail() -> None:
        raise lost

    condition.notify_all = fail
    with pytest.raises(KeyError) as raised:
        event.set()
    assert raised.value is lost and lost.__context__ is None and not condition._is_owned()
