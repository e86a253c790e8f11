/* The rounds of a Barrier: arriving, waiting for the others, and how a round ends. */
#include "core/fallback.h"
#include "core/spin.h"
#include "objects/args.h"
#include "objects/barrier.h"
#include "platform/os.h"

/* What others see of a wait; what it does is told by the hooks. In a forked child the
 * parties that had arrived are gone. */
static const struct ft_wait_ops ops = {
    .kind = FT_KIND_EXCLUSIVE,
    .flags = ~(uint64_t)FT_BARRIER_BROKEN,
    .stays = true,
};

/* threading.BrokenBarrierError, so that one except clause serves both. */
static FT_SLOW int
raise_broken(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *error = threading == NULL ? NULL : PyObject_GetAttrString(threading, "BrokenBarrierError");
    if (error != NULL) {
        PyErr_SetString(error, "the barrier is broken: it was aborted or reset, its action failed, or "
                               "a party ran out of time");
    }
    Py_XDECREF(error);
    Py_XDECREF(threading);
    return -1;
}

/* ---- with Go ---- */

/* How a party's wait ended. */
enum end { PASSED, FAILED, ANOTHER, RAISED };

static enum ft_step
end(struct ft_waiting *wait, enum end how)
{
    wait->end = how;
    return FT_END;
}

/* As the waiter was told when its wait was ended. */
static enum ft_step
as_told(struct ft_waiting *wait)
{
    switch (wait->self->seat->waiter.outcome) {
    case FT_OUTCOME_PASSED:
        return end(wait, PASSED);
    case FT_OUTCOME_ANOTHER:
        return end(wait, ANOTHER);
    default:
        return end(wait, FAILED);
    }
}

/* Gives up, unless the wait has ended before: Acquired, and its wake-up is on the way. */
static int32_t
leave(struct ft_waiting *wait, int32_t why)
{
    struct ft_waiter *waiter = &wait->self->seat->waiter;
    int32_t verdict = ft_golib()->ft_barrier_withdraw(wait->lock, waiter, why);
    if (verdict == FT_VERDICT_WITHDRAWN) {
        ft_wake(waiter->chain);
    }
    else if (verdict == FT_VERDICT_ACQUIRED) {
        ft_consume_wakeup(wait->self);
    }
    return verdict;
}

static enum ft_step
time_over(struct ft_waiting *wait)
{
    switch (leave(wait, FT_REASON_TIMED_OUT)) {
    case FT_VERDICT_PARK: /* all have come, only the action is not done yet */
        wait->deadline = FT_FOREVER;
        return FT_SLEEP;
    case FT_VERDICT_WITHDRAWN:
        return end(wait, FAILED);
    }
    return as_told(wait);
}

static enum ft_step
look(struct ft_waiting *wait)
{
    if (ft_run_handlers_waiting(wait->self) == 0) {
        return FT_SLEEP;
    }
    if (ft_golib() != NULL) {
        leave(wait, FT_REASON_INTERRUPTED);
    }
    return end(wait, RAISED);
}

static const struct ft_hooks hooks = {as_told, NULL, time_over, look};

static enum end
sleep_in_queue(Barrier *self, struct ft_thread *thread, int64_t deadline)
{
    /* More parties than processors: another party needs the one that we would spin on. */
    bool soon = self->barrier.parties <= (uint64_t)ft_spinners_most + 1;
    struct ft_waiting wait = {&hooks, &ops, &self->barrier, thread, deadline, true, soon, 0};
    ft_wait_loop(&wait, NULL, FT_SLEEP);
    return wait.end == FT_END_IN_CHILD ? FAILED : (enum end)wait.end; /* there the parties are gone */
}

/* ---- without Go ---- */

static inline uint64_t
round_of(Barrier *self)
{
    return __atomic_load_n(&self->barrier.round, __ATOMIC_SEQ_CST);
}

/* Ends the round for all that wait without Go, and begins the next with that word. */
static void
end_round(Barrier *self, bool failed, uint64_t word)
{
    uint64_t bit = 1ULL << (round_of(self) % 64);
    if (failed) {
        atomic_fetch_or(&self->failed_rounds, bit);
    }
    else {
        atomic_fetch_and(&self->failed_rounds, ~bit);
    }
    atomic_store(&self->barrier.word, word);
    __atomic_add_fetch(&self->barrier.round, 1, __ATOMIC_SEQ_CST);
}

/* Takes back the arrival of a party that was interrupted, unless the round has ended. */
static void
leave_round(Barrier *self, uint64_t round)
{
    uint64_t s = ft_barrier_load(self);
    while (round_of(self) == round && s >= ONE_ARRIVAL
           && !ft_cas(&self->barrier.word, s, s - ONE_ARRIVAL)) {
        s = ft_barrier_load(self);
    }
}

static enum end
look_for_round(Barrier *self, struct ft_thread *thread, uint64_t round, int64_t deadline)
{
    while (round_of(self) == round) {
        uint64_t s = ft_barrier_load(self);
        bool full = (s & FT_BARRIER_FULL) != 0; /* all have come, only the action is not done yet */
        if (!full && deadline != FT_FOREVER && ft_os_now() >= deadline) {
            if (ft_cas(&self->barrier.word, s, FT_BARRIER_BROKEN)) {
                end_round(self, true, FT_BARRIER_BROKEN);
                return FAILED;
            }
            continue;
        }
        if (ft_run_handlers_waiting(thread) < 0) {
            leave_round(self, round);
            return RAISED;
        }
        ft_fallback_nap(thread, deadline);
    }
    return atomic_load(&self->failed_rounds) >> (round % 64) & 1 ? FAILED : PASSED;
}

/* ---- arriving ---- */

/* What Arrive answered, from Go or from the same steps without it. */
struct arrival {
    int32_t verdict;
    uint64_t number; /* its own, of a party that has to wait; the round's, of the last one */
};

static struct arrival
arrive(Barrier *self, const struct ft_golib *go, struct ft_thread *thread, uint64_t *fallback_round)
{
    struct arrival arrival;
    if (go != NULL) {
        arrival.verdict = go->ft_barrier_arrive(&self->barrier, &thread->seat->waiter);
        arrival.number = thread->seat->waiter.number;
        return arrival;
    }
    for (;;) {
        uint64_t s = ft_barrier_load(self), arrived = s >> FT_OWNER_SHIFT;
        bool last = arrived + 1 == self->barrier.parties;
        uint64_t round = round_of(self);
        arrival = (struct arrival){FT_VERDICT_PARK, last ? round : arrived};
        *fallback_round = round;
        if ((s & FT_BARRIER_BROKEN) != 0) {
            arrival.verdict = FT_VERDICT_WITHDRAWN;
            return arrival;
        }
        if ((s & FT_BARRIER_FULL) != 0) {
            ft_fallback_nap(thread, FT_FOREVER);
        }
        else if (ft_cas(&self->barrier.word, s, last ? s | FT_BARRIER_FULL : s + ONE_ARRIVAL)) {
            arrival.verdict = last ? FT_VERDICT_ACQUIRED : FT_VERDICT_PARK;
            return arrival;
        }
    }
}

static bool
open(Barrier *self, const struct ft_golib *go, struct ft_thread *thread, uint64_t round)
{
    if (go != NULL) {
        struct ft_waiter *waiter = &thread->seat->waiter;
        int32_t verdict = go->ft_barrier_open(&self->barrier, waiter, round);
        ft_wake(waiter->chain);
        return verdict == FT_VERDICT_ACQUIRED;
    }
    if (round_of(self) != round) {
        return false;
    }
    end_round(self, false, 0);
    return true;
}

void
ft_barrier_end_round(Barrier *self, struct ft_thread *thread, bool broken)
{
    const struct ft_golib *go = ft_golib_load();
    if (go != NULL) {
        ft_release_slow(broken ? go->ft_barrier_break : go->ft_barrier_reset, &self->barrier, thread);
    }
    else {
        end_round(self, true, broken ? FT_BARRIER_BROKEN : 0);
    }
}

/* For the last party, whose action failed. */
static void
fail_round(Barrier *self, const struct ft_golib *go, struct ft_thread *thread, uint64_t round)
{
    if (go != NULL) {
        go->ft_barrier_fail(&self->barrier, &thread->seat->waiter, round);
        ft_wake(thread->seat->waiter.chain);
    }
    else if (round_of(self) == round) {
        end_round(self, true, FT_BARRIER_BROKEN);
    }
}

/* The last party: runs the action, then lets all pass. */
static int
complete(Barrier *self, const struct ft_golib *go, struct ft_thread *thread, uint64_t round)
{
    if (self->action != NULL) {
        PyObject *result = PyObject_CallNoArgs(self->action);
        go = ft_golib(); /* the action may have forked, and this be the child */
        if (result == NULL) {
            PyObject *raised = PyErr_GetRaisedException();
            fail_round(self, go, thread, round);
            PyErr_SetRaisedException(raised);
            return -1;
        }
        Py_DECREF(result);
    }
    return open(self, go, thread, round) ? 0 : raise_broken();
}

/* Arrives, and waits for the other parties: this one's number, or -1 with an exception set. */
static int64_t
meet(Barrier *self, struct ft_thread *thread, int64_t timeout)
{
    for (;;) {
        const struct ft_golib *go = ft_golib_load();
        uint64_t round = 0;
        struct arrival arrival = arrive(self, go, thread, &round);
        int64_t deadline, now = ft_os_now();
        if (timeout == FT_FOREVER || __builtin_add_overflow(now, timeout, &deadline)) {
            deadline = FT_FOREVER;
        }
        if (arrival.verdict == FT_VERDICT_WITHDRAWN) {
            return raise_broken();
        }
        if (arrival.verdict == FT_VERDICT_ACQUIRED) {
            return complete(self, go, thread, arrival.number) < 0 ? -1 : (int64_t)self->barrier.parties - 1;
        }
        ft_announce(&ops, &self->barrier, thread);
        enum end ended = go != NULL ? sleep_in_queue(self, thread, deadline)
                                    : look_for_round(self, thread, round, deadline);
        ft_announce(&ops, NULL, thread);
        ft_forget(&thread->seat->waiter);
        if (ended == PASSED) {
            return (int64_t)arrival.number;
        }
        if (ended != ANOTHER) {
            return ended == RAISED ? -1 : raise_broken();
        }
    }
}

/* ---- the method ---- */

/* Whether a party that came now would not have to wait: it is the last one, or the barrier
 * is broken. */
static bool
passes(Barrier *self)
{
    uint64_t s = ft_barrier_load(self);
    return (s & FT_BARRIER_BROKEN) != 0
           || ((s & FT_BARRIER_FULL) == 0 && (s >> FT_OWNER_SHIFT) + 1 == self->barrier.parties);
}

/* The timeout of a party that does not wait does not matter. Should the others be gone by the
 * time that it arrives, it waits for as long as it takes. */
static int
judge(Barrier *self, PyObject *timeout, int64_t *ns)
{
    if (ft_check_end(timeout) == 0 && ft_judge_timeout(timeout, ns) == 0) {
        return 0;
    }
    if (!passes(self) || !PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
    PyErr_Clear();
    *ns = FT_FOREVER;
    return 0;
}

PyObject *
ft_barrier_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Barrier *self = (Barrier *)op;
    PyObject *given, *timeout = self->timeout;
    struct ft_thread *thread = ft_self();
    int64_t ns;
    if (timeout == NULL) {
        return ft_refuse_unmade(op);
    }
    if (thread == NULL || ft_gather_one("wait", "timeout", args, nargs, kwnames, &given) < 0
        || ft_self_prepare_wait(thread) < 0) {
        return NULL;
    }
    if (judge(self, given != NULL && given != Py_None ? given : timeout, &ns) < 0) {
        return NULL;
    }
    int64_t number = meet(self, thread, ns);
    return number < 0 ? NULL : PyLong_FromLongLong(number);
}
