/* IntervalLock. The word, its states and who may change what: golib/locks/interval.go. */
#include "objects/args.h"
#include "platform/clock.h"
#include "objects/family.h"
#include "objects/lockobj.h"
#include "core/fallback.h"
#include "objects/types.h"

#include <math.h>

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_interval_lock lock;
    uint64_t since;        /* ft_ticks() of the acquisition or the last cede: the owner's */
    uint64_t surely_within; /* ticks that are less than the interval; 0: not known yet */
    uint64_t lost_by;      /* the owner's id of a thread whose cede() was broken off, so that
                            * it does not hold the lock in its block any more: that thread's */
} IntervalLock;

_Static_assert(offsetof(IntervalLock, lock.word) == FT_WORD_OFFSET, "snapshot() counts on it");

#define SELF(op) ((IntervalLock *)(op))

static inline void
restart(IntervalLock *self)
{
    self->since = ft_ticks();
}

void
ft_interval_restart(PyObject *lock)
{
    restart(SELF(lock));
}

/* ---- lock ---- */

/* 1 acquired, 0 not in time, -1 with an exception set and nothing changed. */
static FT_SLOW int
lock_slow(IntervalLock *self, struct ft_thread *thread, int64_t deadline)
{
    if (ft_exclusive_barge(&self->lock, thread)) {
        restart(self);
        return FT_ACQUIRED;
    }
    if (deadline == FT_NO_WAIT) {
        return FT_TIMED_OUT;
    }
    if (ft_exclusive_owned(&self->lock, thread)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this thread holds the IntervalLock already; waiting for it would "
                        "never end");
        return FT_FAILED;
    }
    int outcome = ft_wait(ft_exclusive_ops_of(&self->lock), &self->lock, thread, deadline);
    if (outcome == FT_ACQUIRED) {
        restart(self);
    }
    return outcome;
}

static inline int
do_lock(IntervalLock *self, int64_t deadline)
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return FT_FAILED;
    }
    if (FT_UNLIKELY(!ft_exclusive_lock_fast(&self->lock, thread))) {
        return lock_slow(self, thread, deadline);
    }
    restart(self);
    return FT_ACQUIRED;
}

static PyObject *
interval_lock(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return FT_LIKELY(do_lock(SELF(op), FT_FOREVER) > 0) ? Py_None : NULL;
}

static PyObject *
interval_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return FT_LIKELY(do_lock(SELF(op), FT_FOREVER) > 0) ? Py_NewRef(op) : NULL;
}

static PyObject *
interval_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int64_t deadline = FT_FOREVER;
    if (FT_UNLIKELY(nargs != 0 || kwnames != NULL)
        && ft_parse_acquire(args, nargs, kwnames, &deadline) < 0) {
        return NULL;
    }
    int outcome = do_lock(SELF(op), deadline);
    return FT_UNLIKELY(outcome < 0) ? NULL : PyBool_FromLong(outcome);
}

/* ---- unlock ---- */

static FT_SLOW PyObject *
refuse(IntervalLock *self, const char *doing)
{
    return PyErr_Format(PyExc_RuntimeError,
                        !ft_exclusive_locked(&self->lock)
                            ? "%s an IntervalLock that nobody holds"
                            : "%s an IntervalLock that another thread holds; only its owner may",
                        doing);
}

static PyObject *
interval_unlock(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return NULL;
    }
    return FT_LIKELY(ft_exclusive_unlock(&SELF(op)->lock, thread)) ? Py_None : refuse(SELF(op), "cannot unlock");
}

/* A cede() that a signal broke off inside the block has lost the lock. The exception that
 * is on its way says more than a complaint about that, so it passes. */
static FT_SLOW PyObject *
exit_unowned(IntervalLock *self, struct ft_thread *thread, bool raised)
{
    bool lost = self->lost_by == thread->owner;
    if (lost) {
        self->lost_by = 0;
    }
    return raised && lost ? Py_None : refuse(self, "cannot unlock");
}

static PyObject *
interval_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return NULL;
    }
    return FT_LIKELY(ft_exclusive_unlock(&SELF(op)->lock, thread))
               ? Py_None
               : exit_unowned(SELF(op), thread, nargs > 0 && !Py_IsNone(args[0]));
}

/* ---- cede and poll ---- */

/* Without Go nobody can be handed the lock; who polls for it gets a chance to take it. */
static int
cede_without_go(IntervalLock *self, struct ft_thread *thread)
{
    if (ft_count_waiting(&self->lock, FT_KIND_EXCLUSIVE) == 0) {
        return FT_ACQUIRED;
    }
    if (ft_self_prepare_wait(thread) < 0) {
        return FT_FAILED;
    }
    atomic_store(&self->lock.word, 0);
    ft_fallback_make_room(&self->lock, &self->lock.word, FT_KIND_EXCLUSIVE);
    return ft_wait(ft_exclusive_ops_of(&self->lock), &self->lock, thread, FT_FOREVER);
}

/* The caller owns the lock. -1 with an exception set: then it does not any more. */
static FT_SLOW int
cede_slow(IntervalLock *self, struct ft_thread *thread)
{
    const struct ft_golib *go = ft_golib();
    int outcome;
    if (go == NULL) {
        outcome = cede_without_go(self, thread);
    }
    else if (ft_self_prepare_wait(thread) < 0) {
        return FT_FAILED;
    }
    else {
        outcome = FT_ACQUIRED;
        if (go->ft_interval_cede(&self->lock, &thread->seat->waiter)) {
            ft_record_charge(&self->lock, FT_SIDE_EXCLUSIVE, thread, FT_RECORD_QUEUED);
            outcome = ft_wait_queued(ft_exclusive_ops_of(&self->lock), &self->lock, thread, FT_FOREVER);
        }
    }
    if (outcome == FT_FAILED && !ft_exclusive_owned(&self->lock, thread)) {
        self->lost_by = thread->owner;
    }
    return outcome;
}

static inline PyObject *
do_cede(IntervalLock *self, struct ft_thread *thread)
{
    uint64_t s = atomic_load(&self->lock.word);
    bool waited_for = (s & FT_INTERVAL_PARKED) != 0 || ft_golib_missing();
    if (FT_UNLIKELY(waited_for) && cede_slow(self, thread) < 0) {
        return NULL;
    }
    restart(self);
    Py_RETURN_NONE;
}

static PyObject *
interval_cede(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return NULL;
    }
    return FT_LIKELY(ft_exclusive_owned(&SELF(op)->lock, thread)) ? do_cede(SELF(op), thread)
                                                       : refuse(SELF(op), "cannot cede");
}

/* The ticks say that the interval may be over. */
static FT_SLOW PyObject *
poll_slow(IntervalLock *self, struct ft_thread *thread)
{
    if (self->surely_within == 0) {
        self->surely_within = ft_ticks_surely_within(self->lock.interval);
    }
    if (ft_ticks_elapsed(self->since) < self->lock.interval) {
        Py_RETURN_NONE;
    }
    return do_cede(self, thread);
}

static PyObject *
interval_poll(PyObject *op, PyObject *Py_UNUSED(unused))
{
    IntervalLock *self = SELF(op);
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return NULL;
    }
    if (FT_UNLIKELY(!ft_exclusive_owned(&self->lock, thread))) {
        return refuse(self, "cannot poll");
    }
    if (FT_LIKELY(ft_ticks() - self->since < self->surely_within)) {
        Py_RETURN_NONE;
    }
    return poll_slow(self, thread);
}

/* ---- what it looks like ---- */

static PyObject *
interval_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_exclusive_locked(&SELF(op)->lock));
}

static PyObject *
interval_repr(PyObject *op)
{
    uint64_t s = atomic_load(&SELF(op)->lock.word);
    const char *name = ft_type_name(op);
    if (s >> FT_OWNER_SHIFT == 0) {
        return PyUnicode_FromFormat("<%s unlocked at %p>", name, op);
    }
    PyObject *owner = ft_repr_owner(s);
    if (owner == NULL) {
        return NULL;
    }
    PyObject *repr = PyUnicode_FromFormat("<%s locked owner=%U waiters=%lld at %p>", name, owner,
                                          (long long)ft_waiting_for(&SELF(op)->lock, FT_KIND_EXCLUSIVE), op);
    Py_DECREF(owner);
    return repr;
}

static PyObject *
interval_get_interval(PyObject *op, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble((double)SELF(op)->lock.interval / 1e9);
}

/* ---- what threading.Condition and fork handlers ask of a lock ---- */

static PyObject *
interval_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *thread = ft_self();
    return thread == NULL ? NULL : PyBool_FromLong(ft_exclusive_owned(&SELF(op)->lock, thread));
}

static PyObject *
interval_at_fork_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    atomic_store(&SELF(op)->lock.word, 0);
    Py_RETURN_NONE;
}

/* ---- making ---- */

static int
parse_interval(PyObject *value, int64_t *ns)
{
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "interval must be a number of seconds, not %T", value);
        }
        else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Format(PyExc_ValueError, "interval must be a finite number of seconds, not %R", value);
        }
        return -1;
    }
    if (!isfinite(seconds) || seconds < 0) {
        PyErr_Format(PyExc_ValueError,
                     "interval must be a finite number of seconds, 0 or more, not %R", value);
        return -1;
    }
    /* Beyond 292 years an interval is never over, whatever its length. */
    double exact = seconds * 1e9 + 0.5;
    *ns = exact >= 9.2e18 ? INT64_MAX : (int64_t)exact;
    if (*ns == 0 && seconds > 0) {
        *ns = 1; /* 0 means strict order; a tiny interval does not */
    }
    return 0;
}

static PyObject *
interval_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        SELF(op)->lock.interval = FT_DEFAULT_INTERVAL;
    }
    return op;
}

static int
interval_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"interval", NULL};
    PyObject *value = NULL;
    int64_t ns = FT_DEFAULT_INTERVAL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:IntervalLock", names, &value)
        || (value != NULL && parse_interval(value, &ns) < 0)) {
        return -1;
    }
    if (atomic_load(&SELF(op)->lock.word) != 0) {
        PyErr_SetString(PyExc_RuntimeError, "cannot initialize an IntervalLock that is in use");
        return -1;
    }
    SELF(op)->lock.interval = ns;
    SELF(op)->surely_within = 0;
    return 0;
}

PyDoc_STRVAR(interval_doc,
"IntervalLock(interval=0.005)\n--\n\n"
"A mutual exclusion lock that is handed over fairly.\n"
"\n"
"interval is in seconds, finite and at least 0 (ValueError, TypeError). A release may\n"
"let a running thread take the lock first, for throughput, until the thread that has\n"
"waited longest has been the longest waiter for a turn: the interval shared out among\n"
"those who wait, though not cut below 2 ms. Then the lock is handed to it. So no\n"
"thread starves, and interval=0 is strict first come, first served. A timeout that is\n"
"shorter than a turn is but a few tries when another thread is at the lock all the time.\n"
"\n"
"The thread that took the lock releases it. What it wrote before is seen by whoever\n"
"takes the lock next. A blocked call on the main thread answers Ctrl-C.\n"
"\n"
"The policy joins the two modes of Go's sync.Mutex into one bound; the queues are a\n"
"parking lot (WebKit's WTF::ParkingLot).");

PyDoc_STRVAR(lock_doc,
"lock($self, /)\n--\n\n"
"Take the lock; wait for as long as it takes.\n"
"\n"
"RuntimeError when this thread holds it already. An exception from a signal handler\n"
"ends the wait; the lock is then not taken.");

PyDoc_STRVAR(unlock_doc,
"unlock($self, /)\n--\n\n"
"Release the lock.\n"
"\n"
"RuntimeError, and nothing changed, when this thread does not hold it.");

PyDoc_STRVAR(acquire_doc,
"acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
"Take the lock and return True, or return False.\n"
"\n"
"timeout is in seconds; -1 waits for as long as it takes. With blocking=False, or\n"
"when the time is over, False: nothing has changed, and it says no more than that the\n"
"lock was not free at some moment. ValueError for another negative timeout, and for a\n"
"timeout with blocking=False; OverflowError for one above threading.TIMEOUT_MAX.\n"
"RuntimeError when this thread holds the lock already and would wait.");

PyDoc_STRVAR(release_doc,
"release($self, /)\n--\n\n"
"Release the lock: the same as unlock().\n"
"\n"
"RuntimeError, and nothing changed, when this thread does not hold it.");

PyDoc_STRVAR(cede_doc,
"cede($self, /)\n--\n\n"
"Hand the lock to the thread that has waited longest, and return holding it again.\n"
"\n"
"The caller queues as the last. When nobody waits it returns at once. Either way the\n"
"interval starts anew. RuntimeError when this thread does not hold the lock. If a\n"
"signal handler raises while the caller waits to get the lock back, the caller has\n"
"lost it; a with block lets that exception through.");

PyDoc_STRVAR(poll_doc,
"poll($self, /)\n--\n\n"
"Call cede() if the interval has passed since the lock was acquired or last ceded.\n"
"\n"
"Made to be called often. RuntimeError when this thread does not hold the lock.");

PyDoc_STRVAR(locked_doc,
"locked($self, /)\n--\n\n"
"Return whether some thread holds the lock; it may be outdated at once.");

PyDoc_STRVAR(enter_doc,
"__enter__($self, /)\n--\n\n"
"Take the lock, as lock(), and return it.");

PyDoc_STRVAR(exit_doc,
"__exit__($self, exc_type=None, exc_value=None, traceback=None, /)\n--\n\n"
"Release the lock, as unlock().");

PyDoc_STRVAR(is_owned_doc,
"_is_owned($self, /)\n--\n\n"
"Return whether this thread holds the lock (for threading.Condition).");

PyDoc_STRVAR(reinit_doc,
"_at_fork_reinit($self, /)\n--\n\n"
"Make the lock free, in a forked child, whoever held it (for os.register_at_fork).");

static PyMethodDef methods[] = {
    {"lock", interval_lock, METH_NOARGS, lock_doc},
    {"unlock", interval_unlock, METH_NOARGS, unlock_doc},
    {"acquire", (PyCFunction)(void (*)(void))interval_acquire, METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", interval_unlock, METH_NOARGS, release_doc},
    {"cede", interval_cede, METH_NOARGS, cede_doc},
    {"poll", interval_poll, METH_NOARGS, poll_doc},
    {"locked", interval_locked, METH_NOARGS, locked_doc},
    {"__enter__", interval_enter, METH_NOARGS, enter_doc},
    {"__exit__", (PyCFunction)(void (*)(void))interval_exit, METH_FASTCALL, exit_doc},
    {"_is_owned", interval_is_owned, METH_NOARGS, is_owned_doc},
    {"_at_fork_reinit", interval_at_fork_reinit, METH_NOARGS, reinit_doc},
    FT_REFUSE_PICKLE_METHOD,
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"interval", interval_get_interval, NULL, PyDoc_STR("The interval in seconds."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(IntervalLock, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)interval_doc},
    {Py_tp_new, interval_new},
    {Py_tp_init, interval_init},
    {Py_tp_dealloc, ft_object_dealloc},
    {Py_tp_repr, interval_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec ft_interval_lock_spec = {
    .name = "ft_utils.synchronization.IntervalLock",
    .basicsize = sizeof(IntervalLock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
