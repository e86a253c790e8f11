"""Signal handlers that use locks of every type, in the middle of a wait for each of them."""

import pytest

from ..support.process import run_isolated
from ..support.subjects import SUBJECTS, Subject


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_handler_while_the_main_thread_waits(subject: Subject) -> None:
    """It takes each free, waits for each in vain and with success, and tries the one that is waited for."""
    run_isolated(
        f"""
        from support.intrusions import signalled
        from support.subjects import BY_NAME
        signalled(BY_NAME[{subject.name!r}])
        print("ok")
        """,
        expect_out="ok",
    )


def test_handler_within_a_handler() -> None:
    """Each handler waits in its turn, for the next type, and the signal for the next handler comes then."""
    run_isolated(
        """
        from support.subjects import SUBJECTS
        from support.threads import LIMIT, Puppet, until
        made = [(subject, subject.make()) for subject in SUBJECTS]
        ended = []
        me = threading.get_ident()

        def descend(depth):
            subject, target = made[depth]
            assert subject.wait(target, None)
            subject.leave(target)
            ended.append(depth)

        handlers = iter(range(1, len(made)))
        signal.signal(signal.SIGUSR1, lambda *_: descend(next(handlers)))
        with Puppet() as friend, Puppet() as watcher:
            for subject, target in made:
                friend.run(subject.obstruct, target)
            def watch():
                deepest = len(made) - 1
                for depth, (subject, target) in enumerate(made):
                    # A wait for a lock leaves the queue while a handler runs, so it is seen before the next signal.
                    subject.waited_for(target)
                    if depth < deepest:
                        signal.pthread_kill(me, signal.SIGUSR1)
                for depth in range(deepest, -1, -1):
                    subject, target = made[depth]
                    subject.waited_for(target)
                    friend.run(subject.admit, target)
                    until(lambda: depth in ended)
            watched = watcher.start(watch)
            descend(0)
            watched.result(LIMIT)
            assert ended == list(range(len(made) - 1, -1, -1))
            for subject, target in made:
                subject.rested(target)
                subject.usable(target, friend)
        print("ok")
        """,
        expect_out="ok",
    )
