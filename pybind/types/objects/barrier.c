/* Barrier. The word and the rounds: golib/locks/barrier.go. */
#include "objects/args.h"
#include "objects/family.h"
#include "platform/os.h"
#include "objects/patchable.h"
#include "core/fallback.h"
#include "core/spin.h"
#include "objects/types.h"

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_barrier barrier;
    /* Without Go, in a forked child: bit r % 64 is set when round r failed. */
    _Atomic(uint64_t) failed_rounds;
    PyObject *action;  /* called by the last party of each round; NULL: none */
    PyObject *timeout; /* the default of wait; NULL when made by __new__ alone */
    PyObject *dict;
} Barrier;

_Static_assert(offsetof(Barrier, barrier.word) == FT_WORD_OFFSET, "snapshot() counts on it");

#define SELF(op) ((Barrier *)(op))
#define ONE_ARRIVAL (1ULL << FT_OWNER_SHIFT)

/* What others see of a wait; what it does is told by the hooks. In a forked child nobody is
 * left of those who had arrived. */
static const struct ft_wait_ops ops = {
    .kind = FT_KIND_EXCLUSIVE,
    .flags = ~(uint64_t)FT_BARRIER_BROKEN,
    .stays = true,
    .side = FT_SIDE_WAIT,
    .what = "Barrier",
};

static inline uint64_t
load(Barrier *self)
{
    return atomic_load(&self->barrier.word);
}

static FT_SLOW PyObject *
refuse_unmade(PyObject *op)
{
    return PyErr_Format(PyExc_RuntimeError, "this %s was made by __new__ alone; call its __init__",
                        ft_type_name(op));
}

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

/* As whoever ended the wait says. */
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

static const struct ft_hooks hooks = {as_told, NULL, time_over, NULL, look};

static enum end
sleep_in_queue(struct ft_waiting *wait)
{
    ft_wait_loop(wait, NULL, FT_SLEEP);
    return wait->end == FT_END_IN_CHILD ? FAILED : (enum end)wait->end; /* there the parties are gone */
}

/* ---- without Go ---- */

/* Ends the round for all who wait without Go, and begins the next with that word. */
static void
end_round(Barrier *self, bool failed, uint64_t word)
{
    uint64_t bit = 1ULL << (self->barrier.round % 64);
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
    uint64_t s = load(self);
    while (__atomic_load_n(&self->barrier.round, __ATOMIC_SEQ_CST) == round && s >= ONE_ARRIVAL
           && !ft_cas(&self->barrier.word, s, s - ONE_ARRIVAL)) {
        s = load(self);
    }
}

static enum end
look_for_round(Barrier *self, struct ft_thread *thread, uint64_t round, int64_t deadline)
{
    while (__atomic_load_n(&self->barrier.round, __ATOMIC_SEQ_CST) == round) {
        uint64_t s = load(self);
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
    int32_t how; /* FT_ARRIVAL_… */
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
        uint64_t s = load(self), arrived = s >> FT_OWNER_SHIFT;
        bool last = arrived + 1 == self->barrier.parties;
        uint64_t round = __atomic_load_n(&self->barrier.round, __ATOMIC_SEQ_CST);
        arrival = (struct arrival){FT_ARRIVAL_WAITS, last ? round : arrived};
        *fallback_round = round;
        if ((s & FT_BARRIER_BROKEN) != 0) {
            arrival.how = FT_ARRIVAL_BROKEN;
            return arrival;
        }
        if ((s & FT_BARRIER_FULL) != 0) {
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
    if (self->barrier.round != round) {
        return false;
    }
    end_round(self, false, 0);
    return true;
}

static void
fail(Barrier *self, struct ft_thread *thread, bool broken)
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
    else if (self->barrier.round == round) {
        end_round(self, true, FT_BARRIER_BROKEN);
    }
}

/* The last party: runs the action, then lets everybody pass. */
static int
complete(PyObject *op, const struct ft_golib *go, struct ft_thread *thread, uint64_t round)
{
    Barrier *self = SELF(op);
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

/* The party's number, or -1 with an exception set. */
static int64_t
wait_for_all(PyObject *op, struct ft_thread *thread, int64_t timeout)
{
    Barrier *self = SELF(op);
    for (;;) {
        const struct ft_golib *go = ft_golib_load();
        uint64_t round = 0;
        struct ft_record record;
        ft_record_begin(&record, &ops, &self->barrier, thread, FT_RECORD_OUTSIDE);
        struct arrival arrival = arrive(self, go, thread, &round);
        if (arrival.how != FT_ARRIVAL_WAITS) {
            ft_record_cancel(&record, thread);
        }
        int64_t deadline, now = ft_os_now();
        if (timeout == FT_FOREVER || __builtin_add_overflow(now, timeout, &deadline)) {
            deadline = FT_FOREVER;
        }
        if (arrival.how == FT_ARRIVAL_BROKEN) {
            return raise_broken();
        }
        if (arrival.how == FT_ARRIVAL_LAST) {
            return complete(op, go, thread, arrival.number) < 0 ? -1 : (int64_t)self->barrier.parties - 1;
        }
        struct ft_waiting wait = {
            .hooks = &hooks,
            .ops = &ops,
            .lock = &self->barrier,
            .self = thread,
            .deadline = deadline,
            .interruptible = true,
            /* More parties than processors: somebody needs the one that we would spin on. */
            .handed = self->barrier.parties <= (uint64_t)ft_spinners_most + 1,
        };
        ft_announce(&wait);
        enum end ended = go != NULL ? sleep_in_queue(&wait)
                                    : look_for_round(self, thread, round, deadline);
        ft_announce_end(thread);
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

/* ---- methods ---- */

/* Whether a party that came now would not have to wait: it is the last one, or the barrier
 * is broken. */
static bool
passes(Barrier *self)
{
    uint64_t s = load(self);
    return (s & FT_BARRIER_BROKEN) != 0
           || ((s & FT_BARRIER_FULL) == 0 && (s >> FT_OWNER_SHIFT) + 1 == self->barrier.parties);
}

/* Nobody judges the timeout of a party that does not wait. Should the others be gone by the
 * time that it arrives, it waits for as long as it takes. */
static int
judge(Barrier *self, PyObject *timeout, int64_t *ns)
{
    if (ft_check_end(timeout) == 0 && ft_judge_timeout(timeout, ns) == 0) {
        return 0;
    }
    if (!passes(self)) {
        return -1;
    }
    PyErr_Clear();
    *ns = FT_FOREVER;
    return 0;
}

static PyObject *
barrier_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout"};
    PyObject *found[1] = {NULL};
    struct ft_thread *thread = ft_self();
    int64_t ns;
    if (SELF(op)->timeout == NULL) {
        return refuse_unmade(op);
    }
    if (thread == NULL || ft_gather("wait", names, 1, args, nargs, kwnames, found) < 0
        || ft_self_prepare_wait(thread) < 0) {
        return NULL;
    }
    bool given = found[0] != NULL && found[0] != Py_None;
    if (judge(SELF(op), given ? found[0] : SELF(op)->timeout, &ns) < 0) {
        return NULL;
    }
    int64_t index = wait_for_all(op, thread, ns);
    return index < 0 ? NULL : PyLong_FromLongLong(index);
}

static PyObject *
barrier_fail(PyObject *op, bool broken)
{
    struct ft_thread *thread = ft_self();
    if (SELF(op)->timeout == NULL) {
        return refuse_unmade(op);
    }
    if (thread == NULL) {
        return NULL;
    }
    fail(SELF(op), thread, broken);
    Py_RETURN_NONE;
}

static PyObject *
barrier_reset(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return barrier_fail(op, false);
}

static PyObject *
barrier_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return barrier_fail(op, true);
}

static PyObject *
barrier_get_parties(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(SELF(op)->barrier.parties);
}

static uint64_t
waiting(Barrier *self)
{
    uint64_t s = load(self);
    return (s & FT_BARRIER_FULL) != 0 ? 0 : s >> FT_OWNER_SHIFT;
}

static PyObject *
barrier_get_n_waiting(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(waiting(SELF(op)));
}

static PyObject *
barrier_get_broken(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong((load(SELF(op)) & FT_BARRIER_BROKEN) != 0);
}

/* As far as can be told: a barrier that is full or being reset is on its way to 0. */
static PyObject *
barrier_get_state(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong((load(SELF(op)) & FT_BARRIER_BROKEN) != 0 ? -2 : 0);
}

static PyObject *
barrier_get_action(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(SELF(op)->action == NULL ? Py_None : SELF(op)->action);
}

static PyObject *
barrier_get_timeout(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(SELF(op)->timeout == NULL ? Py_None : SELF(op)->timeout);
}

static PyObject *
barrier_repr(PyObject *op)
{
    Barrier *self = SELF(op);
    unsigned long long parties = self->barrier.parties;
    if ((load(self) & FT_BARRIER_BROKEN) != 0) {
        return ft_repr_state(op, 0, PyUnicode_FromString("broken"));
    }
    return ft_repr_state(op, 0, PyUnicode_FromFormat("waiters=%llu/%llu", (unsigned long long)waiting(self), parties));
}

/* ---- making ---- */

static PyObject *
barrier_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return type->tp_alloc(type, 0);
}

/* threading only compares the number. One that arrivals cannot come to is refused, since
 * everybody would wait for ever. */
static int
parse_parties(PyObject *given, uint64_t *parties)
{
    int less = ft_is_less(given, 1);
    if (less != 0) {
        if (less > 0) {
            PyErr_SetString(PyExc_ValueError, "parties must be >= 1");
        }
        return -1;
    }
    int is_whole = ft_whole(given, parties);
    if (is_whole == 0) {
        PyErr_Format(PyExc_TypeError, "parties must be a whole number, not %R: nobody would ever pass", given);
    }
    else if (is_whole > 0 && *parties > UINT64_MAX >> FT_OWNER_SHIFT) {
        PyErr_SetString(PyExc_OverflowError, "parties must be less than 2**56: nobody would ever pass");
        is_whole = -1;
    }
    return is_whole > 0 ? 0 : -1;
}

static int
barrier_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"parties", "action", "timeout", NULL};
    PyObject *given, *action = Py_None, *timeout = Py_None;
    uint64_t parties;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO:Barrier", names, &given, &action, &timeout)
        || parse_parties(given, &parties) < 0) {
        return -1;
    }
    int called = PyObject_IsTrue(action); /* threading asks at each round; who would change it? */
    if (called < 0) {
        return -1;
    }
    bool late;
    Py_BEGIN_CRITICAL_SECTION(op);
    late = SELF(op)->timeout != NULL; /* or another thread initializes it at the same time */
    if (!late) {
        SELF(op)->barrier.parties = parties;
        SELF(op)->action = called ? Py_NewRef(action) : NULL;
        SELF(op)->timeout = Py_NewRef(timeout);
    }
    Py_END_CRITICAL_SECTION();
    if (late) {
        PyErr_SetString(PyExc_RuntimeError, "this Barrier is made already; make another one");
        return -1;
    }
    return 0;
}

static int
barrier_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(SELF(op)->action);
    Py_VISIT(SELF(op)->timeout);
    Py_VISIT(SELF(op)->dict);
    return 0;
}

static int
barrier_clear(PyObject *op)
{
    Py_CLEAR(SELF(op)->action);
    Py_CLEAR(SELF(op)->timeout);
    Py_CLEAR(SELF(op)->dict);
    return 0;
}

static void
barrier_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, barrier_dealloc) /* an action may be the wait() of another, and so on */
    ft_patchable_abandon(op, &SELF(op)->dict);
    barrier_clear(op);
    ft_object_dealloc(op);
    Py_TRASHCAN_END
}

PyDoc_STRVAR(barrier_doc,
"Barrier(parties, action=None, timeout=None)\n--\n\n"
"A meeting point for a fixed number of threads: threading.Barrier.\n"
"\n"
"parties is a whole number and at least 1 (TypeError, ValueError). action is called by the\n"
"last party of each round, before the others go on. timeout, in seconds, is the default\n"
"of wait(). What the parties did before they arrived is seen by all after it.");
PyDoc_STRVAR(wait_doc,
"wait($self, /, timeout=None)\n--\n\n"
"Wait until all parties have arrived; return this one's number, from 0 to parties - 1.\n"
"\n"
"timeout is in seconds; None takes the barrier's own. BrokenBarrierError when the\n"
"barrier is broken, is reset, or the time is over, which breaks it. An exception of the\n"
"action goes to the party that ran it, and breaks the barrier. An exception from a signal\n"
"handler ends the wait; the others wait on. OverflowError, TypeError or ValueError (NaN)\n"
"for a bad timeout, where it has to wait; nothing has changed then.");
PyDoc_STRVAR(reset_doc,
"reset($self, /)\n--\n\nMake the barrier as new; who waits gets BrokenBarrierError.");
PyDoc_STRVAR(abort_doc,
"abort($self, /)\n--\n\n"
"Break the barrier; who waits, and who comes before a reset(), gets BrokenBarrierError.");

static PyMethodDef methods[] = {
    {"wait", FT_FASTCALL(barrier_wait), METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"reset", barrier_reset, METH_NOARGS, reset_doc},
    {"abort", barrier_abort, METH_NOARGS, abort_doc},
    FT_REFUSE_PICKLE_METHOD,
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"parties", barrier_get_parties, NULL, PyDoc_STR("The number of threads that meet."), NULL},
    {"n_waiting", barrier_get_n_waiting, NULL, PyDoc_STR("The number of threads that wait now."), NULL},
    {"broken", barrier_get_broken, NULL, PyDoc_STR("Whether the barrier is broken."), NULL},
    {"_parties", barrier_get_parties, NULL, PyDoc_STR("The same as parties."), NULL},
    {"_count", barrier_get_n_waiting, NULL, PyDoc_STR("The same as n_waiting."), NULL},
    {"_state", barrier_get_state, NULL, PyDoc_STR("-2 when the barrier is broken, else 0."), NULL},
    {"_action", barrier_get_action, NULL, PyDoc_STR("What the last party of a round calls, or None."), NULL},
    {"_timeout", barrier_get_timeout, NULL, PyDoc_STR("The timeout of wait() in seconds, or None."), NULL},
    FT_DICT_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    FT_PATCHABLE_MEMBERS(Barrier),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)barrier_doc},
    {Py_tp_new, barrier_new},
    {Py_tp_init, barrier_init},
    {Py_tp_dealloc, barrier_dealloc},
    {Py_tp_traverse, barrier_traverse},
    {Py_tp_clear, barrier_clear},
    {Py_tp_repr, barrier_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec ft_barrier_spec = {
    .name = "ft_utils.synchronization.Barrier",
    .basicsize = sizeof(Barrier),
    .flags = FT_PATCHABLE_TYPE_FLAGS,
    .slots = slots,
};
