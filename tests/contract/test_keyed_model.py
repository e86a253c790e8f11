"""Random operations of several threads on a KeyedLock, one at a time, compared with a table of owners (hypothesis)."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ft_utils.synchronization import KeyedContext, KeyedLock

from ..support.keyed import Key
from ..support.threads import Puppet, until

threads, keys = st.integers(0, 2), st.sampled_from([0, 1, Key("x"), Key("y")])


class KeyedMachine(RuleBasedStateMachine):
    """Owners by key; a handle counts as a use."""

    def __init__(self) -> None:
        super().__init__()
        self.puppets = [Puppet(f"logical-{n}") for n in range(3)]
        self.keyed = KeyedLock()
        self.owners: dict[Any, int] = {}
        self.handles: list[KeyedContext] = []

    @rule(thread=threads, key=keys, timeout=st.sampled_from([0, 0.0005]))
    def acquire(self, thread: int, key: Any, timeout: float) -> None:
        if self.owners.get(key) == thread and timeout:
            with pytest.raises(RuntimeError):
                self.puppets[thread].run(self.keyed.acquire, key, timeout=timeout)
            return
        assert self.puppets[thread].run(self.keyed.acquire, key, timeout=timeout) is (key not in self.owners)
        self.owners.setdefault(key, thread)

    @rule(thread=threads, key=keys, handle=st.booleans())
    def release(self, thread: int, key: Any, handle: bool) -> None:
        def release() -> Any:
            try:  # without a name for the exception, which would keep the handle
                return self.keyed(key).release() if handle else self.keyed.release(key)
            except RuntimeError:
                return RuntimeError

        owned = self.owners.get(key) == thread
        assert self.puppets[thread].run(release) is (None if owned else RuntimeError)
        if owned:
            del self.owners[key]

    @rule(key=keys)
    def keep(self, key: Any) -> None:
        self.handles.append(self.keyed(key))

    @rule()
    def let_go(self) -> None:
        self.handles.clear()

    @invariant()
    def agrees(self) -> None:
        used = set(self.owners) | {handle.key for handle in self.handles}
        until(lambda: len(self.keyed) == len(used), f"{len(used)} keys in {self.keyed!r}")  # a puppet lets go late
        for key in (0, 1, Key("x"), Key("y")):
            assert self.keyed.locked(key) is (key in self.owners)

    def teardown(self) -> None:
        for puppet in self.puppets:
            puppet.close()


TestModel = KeyedMachine.TestCase
TestModel.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,  # the machine may be busy
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
