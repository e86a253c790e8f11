/* The rounds of a Barrier: arriving, waiting for the others, and how a round ends. */
#include "core/fallback.h"
#include "core/spin.h"
#include "objects/args.h"
#include "objects/barrier.h"
#include "platform/os.h"

/* In a forked child: a party that had arrived is not there. One that waits for the next round
 * has not arrived. */
static void
forget_arrival(void *lock, const struct ft_seat *seat)
{
    struct ft_barrier *barrier = lock;
    uint64_t s = atomic_load(&barrier->word);
    if (seat->waiter.number < barrier->parties && s >= ONE_ARRIVAL) {
        atomic_fetch_sub(&barrier->word, ONE_ARRIVAL);
    }
}

/* What others see of a wait; what it does is told by the hooks. */
static const struct ft_wait_ops ops = {
    .kind = FT_KIND_EXCLUSIVE,
    .flags = FT_BARRIER_FULL,
    .forget = forget_arrival,
    .stays = true,
    .side = FT_SIDE_WAIT,
    .what = "Barrier",
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
enum end {
    PASSED,
    FAILED,
    ANOTHER,
    RAISED,
};

/* The wait of one party. */
struct party {
    struct ft_waiting wait; /* first: the hooks get it */
    Barrier *barrier;
    uint64_t round; /* that it waits in, once it has forked in the middle of it */
};

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

/* Gives up, unless the wait has ended before: then its wake-up is on the way. */
static int32_t
leave(struct ft_waiting *wait, int32_t why)
{
    struct ft_waiter *waiter = &wait->self->seat->waiter;
    int32_t departure = ft_golib()->ft_barrier_withdraw(wait->lock, waiter, why);
    if (departure == FT_DEPARTURE_LEFT) {
        ft_wake(waiter->chain);
    }
    else if (departure == FT_DEPARTURE_ENDED) {
        ft_consume_wakeup(wait->self);
    }
    return departure;
}

static enum ft_step
time_over(struct ft_waiting *wait)
{
    switch (leave(wait, FT_REASON_TIMED_OUT)) {
    case FT_DEPARTURE_STAYS: /* all have come, only the action is not done yet */
        wait->deadline = FT_FOREVER;
        return FT_SLEEP;
    case FT_DEPARTURE_LEFT:
        return end(wait, FAILED);
    }
    return as_told(wait);
}

/* ---- without Go ---- */

static inline uint64_t
round_of(Barrier *self)
{
    return __atomic_load_n(&self->barrier.round, __ATOMIC_SEQ_CST);
}

/* Ends the round for all that wait without Go, and begins the next with that word. Under the
 * object's lock, as all that depends on which round it is: parties arrive without. */
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
    /* Full keeps parties from arriving meanwhile: one that saw the old word with the new round
     * would not be counted, one that saw the new word with the old round would pass alone. */
    atomic_fetch_or(&self->barrier.word, FT_BARRIER_FULL | BEING_ENDED);
    __atomic_add_fetch(&self->barrier.round, 1, __ATOMIC_SEQ_CST);
    atomic_store(&self->barrier.word, word);
}

/* The same unless the round has ended. True: it is done. */
static bool
end_this_round(Barrier *self, uint64_t round, bool failed, uint64_t word)
{
    bool is_on;
    Py_BEGIN_CRITICAL_SECTION(self);
    is_on = round_of(self) == round;
    if (is_on) {
        end_round(self, failed, word);
    }
    Py_END_CRITICAL_SECTION();
    return is_on;
}

/* Breaks the round for a party whose time is over, unless all have come or it has ended. */
static bool
run_out_of_time(Barrier *self, uint64_t round)
{
    bool broken = false;
    Py_BEGIN_CRITICAL_SECTION(self);
    uint64_t s = ft_barrier_load(self);
    if (round_of(self) == round && (s & FT_BARRIER_FULL) == 0) {
        broken = ft_cas(&self->barrier.word, s, FT_BARRIER_BROKEN);
    }
    if (broken) {
        end_round(self, true, FT_BARRIER_BROKEN);
    }
    Py_END_CRITICAL_SECTION();
    return broken;
}

/* Takes back the arrival of a party that was interrupted, unless the round has ended. */
static void
leave_round(Barrier *self, uint64_t round)
{
    Py_BEGIN_CRITICAL_SECTION(self);
    uint64_t s = ft_barrier_load(self);
    while (round_of(self) == round && s >= ONE_ARRIVAL
           && !ft_cas(&self->barrier.word, s, s - ONE_ARRIVAL)) {
        s = ft_barrier_load(self);
    }
    Py_END_CRITICAL_SECTION();
}

static enum end
look_for_round(Barrier *self, struct ft_thread *thread, uint64_t round, int64_t deadline)
{
    while (round_of(self) == round) {
        uint64_t s = ft_barrier_load(self);
        bool full = (s & FT_BARRIER_FULL) != 0; /* all have come, only the action is not done yet */
        if (!full && deadline != FT_FOREVER && ft_os_now() >= deadline) {
            if (run_out_of_time(self, round)) {
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

/* ---- waiting ---- */

/* A handler may fork. In the child there is no queue: what has not ended before goes on
 * without Go, in the same round. */
static enum ft_step
look(struct ft_waiting *wait)
{
    struct party *party = (struct party *)wait;
    party->round = round_of(party->barrier);
    int raised = ft_run_handlers_waiting(wait->self);
    if (ft_golib() != NULL) {
        if (raised < 0) {
            leave(wait, FT_REASON_INTERRUPTED);
        }
    }
    else if (ft_state(&wait->self->seat->waiter) != FT_STATE_GRANTED) {
        /* Whoever ran the action is not there. */
        atomic_fetch_and(&party->barrier->barrier.word, ~(FT_BARRIER_FULL | BEING_ENDED));
        if (raised < 0) {
            leave_round(party->barrier, party->round);
        }
    }
    else {
        return raised < 0 ? end(wait, RAISED) : as_told(wait);
    }
    return raised < 0 ? end(wait, RAISED) : FT_SLEEP;
}

static const struct ft_hooks hooks = {as_told, NULL, time_over, NULL, look};

static enum end
wait_in_round(struct party *party)
{
    if (ft_golib() != NULL) {
        ft_wait_loop(&party->wait, NULL, FT_SLEEP);
        if (party->wait.end != FT_END_IN_CHILD) {
            return (enum end)party->wait.end;
        }
    }
    return look_for_round(party->barrier, party->wait.self, party->round, party->wait.deadline);
}

/* ---- arriving ---- */

/* Without Go: a signal handler raised before the party could arrive. */
#define RAISED_BEFORE (-1)

/* What Arrive answered, from Go or from the same steps without it. */
struct arrival {
    int32_t how;     /* FT_ARRIVAL_… */
    uint64_t number; /* its own, of a party that has to wait; the round's, of the last one */
};

static struct arrival
arrive(Barrier *self, const struct ft_golib *go, struct ft_thread *thread, uint64_t *fallback_round)
{
    struct arrival arrival;
    if (go != NULL) {
        arrival.how = go->ft_barrier_arrive(&self->barrier, &thread->seat->waiter);
        arrival.number = thread->seat->waiter.number;
        return arrival;
    }
    for (;;) {
        uint64_t s = ft_barrier_load(self), arrived = s >> FT_OWNER_SHIFT;
        bool last = arrived + 1 == self->barrier.parties;
        uint64_t round = round_of(self);
        arrival = (struct arrival){FT_ARRIVAL_WAITS, last ? round : arrived};
        *fallback_round = round;
        if ((s & FT_BARRIER_BROKEN) != 0) {
            arrival.how = FT_ARRIVAL_BROKEN;
            return arrival;
        }
        if ((s & FT_BARRIER_FULL) != 0) {
            if (ft_run_handlers_waiting(thread) < 0) {
                arrival.how = RAISED_BEFORE;
                return arrival;
            }
            ft_fallback_nap(thread, FT_FOREVER);
        }
        else if (ft_cas(&self->barrier.word, s, last ? s | FT_BARRIER_FULL : s + ONE_ARRIVAL)) {
            arrival.how = last ? FT_ARRIVAL_LAST : FT_ARRIVAL_WAITS;
            return arrival;
        }
    }
}

static bool
open(Barrier *self, const struct ft_golib *go, struct ft_thread *thread, uint64_t round)
{
    if (go != NULL) {
        struct ft_waiter *waiter = &thread->seat->waiter;
        bool opened = go->ft_barrier_open(&self->barrier, waiter, round);
        ft_wake(waiter->chain);
        return opened;
    }
    return end_this_round(self, round, false, 0);
}

void
ft_barrier_end_round(Barrier *self, struct ft_thread *thread, bool broken)
{
    const struct ft_golib *go = ft_golib_load();
    if (go != NULL) {
        ft_release_slow(broken ? go->ft_barrier_break : go->ft_barrier_reset, &self->barrier, thread);
    }
    else {
        Py_BEGIN_CRITICAL_SECTION(self);
        end_round(self, true, broken ? FT_BARRIER_BROKEN : 0);
        Py_END_CRITICAL_SECTION();
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
    else {
        end_this_round(self, round, true, FT_BARRIER_BROKEN);
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
        struct ft_record record;
        ft_record_begin(&record, &ops, &self->barrier, thread, FT_RECORD_OUTSIDE);
        const struct ft_golib *go = ft_golib_load();
        uint64_t round = 0;
        struct arrival arrival = arrive(self, go, thread, &round);
        if (arrival.how != FT_ARRIVAL_WAITS) {
            ft_record_cancel(&record, thread);
        }
        int64_t deadline, now = ft_os_now();
        if (timeout == FT_FOREVER || __builtin_add_overflow(now, timeout, &deadline)) {
            deadline = FT_FOREVER;
        }
        if (arrival.how == RAISED_BEFORE) {
            return -1;
        }
        if (arrival.how == FT_ARRIVAL_BROKEN) {
            return raise_broken();
        }
        if (arrival.how == FT_ARRIVAL_LAST) {
            return complete(self, go, thread, arrival.number) < 0 ? -1 : (int64_t)self->barrier.parties - 1;
        }
        struct party party = {
            .barrier = self,
            .round = round,
            .wait = {
                .hooks = &hooks,
                .ops = &ops,
                .lock = &self->barrier,
                .self = thread,
                .deadline = deadline,
                .interruptible = true,
                /* More parties than processors: another needs the one that we would spin on. */
                .handed = self->barrier.parties <= (uint64_t)ft_spinners_most + 1,
            },
        };
        ft_wait_begin(&party.wait);
        enum end ended = wait_in_round(&party);
        ft_wait_end(&party.wait);
        ft_record_end(&record, thread);
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
