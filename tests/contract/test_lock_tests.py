"""CPython's own tests of threading's primitives, run on ours."""

import importlib.util

import pytest

from ..support.process import run_isolated


@pytest.mark.skipif(
    importlib.util.find_spec("test.lock_tests") is None, reason="the interpreter comes without CPython's tests"
)
def test_lock_tests() -> None:
    """As test_threading runs them. What a loaded machine may take longer for is no failure here."""
    run_isolated(
        """
        import unittest
        from test import lock_tests
        import ft_utils.synchronization as ours

        lock_tests.BaseTestCase.assertTimeout = lambda self, took, least: self.assertGreaterEqual(took, least * 0.6)

        def case(suite, kind, cls):
            return type(suite.__name__, (suite,), {kind: staticmethod(cls)})

        class ConditionAsRLockTests(case(lock_tests.RLockTests, "locktype", ours.Condition)):
            test_recursion_count = None  # which a Condition of threading does not have either

        cases = [
            case(lock_tests.LockTests, "locktype", ours.Lock),
            case(lock_tests.RLockTests, "locktype", ours.RLock),
            ConditionAsRLockTests,
            case(lock_tests.EventTests, "eventtype", ours.Event),
            case(lock_tests.ConditionTests, "condtype", ours.Condition),
            case(lock_tests.SemaphoreTests, "semtype", ours.Semaphore),
            case(lock_tests.BoundedSemaphoreTests, "semtype", ours.BoundedSemaphore),
            case(lock_tests.BarrierTests, "barriertype", ours.Barrier),
        ]
        load = unittest.defaultTestLoader.loadTestsFromTestCase
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(unittest.TestSuite(map(load, cases)))
        assert result.wasSuccessful() and not result.skipped
        assert result.testsRun >= 100, result.testsRun
        """,
        timeout=110,
        expect_out=None,
    )
