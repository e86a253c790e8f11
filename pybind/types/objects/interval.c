/* IntervalLock. The word, its states and who may change what: golib/locks/interval.go. */
#include "core/fallback.h"
#include "objects/args.h"
#include "objects/exclusives.h"
#include "objects/naming.h"
#include "objects/types.h"
#include "objects/within.h"
#include "platform/clock.h"

#include <math.h>

typedef struct {
    FT_OBJECT_HEAD
    struct ft_interval_lock lock;
    uint64_t since;         /* ft_ticks() of the acquisition or the last cede: the owner's */
    uint64_t surely_within; /* ticks that are less than the interval; 0: not known yet */
    /* The owner's id of a thread whose cede() was broken off, so that it does not hold the lock
     * in its block any more. */
    _Atomic(uint64_t) lost_by;
} IntervalLock;

FT_ASSERT_WORD(IntervalLock, lock.word);

#define SELF(op) ((IntervalLock *)(op))

/* For the owner. One that has the lock has not lost it; that another has lost it stays. */
static inline void
restart(IntervalLock *self, const struct ft_thread *thread)
{
    self->since = ft_ticks();
    if (FT_UNLIKELY(atomic_load_explicit(&self->lost_by, memory_order_relaxed) == thread->owner)) {
        atomic_store_explicit(&self->lost_by, 0, memory_order_relaxed);
    }
}

void
ft_interval_restart(PyObject *lock, const struct ft_thread *thread)
{
    restart(SELF(lock), thread);
}

/* ---- taking ---- */

static FT_SLOW int
take_slow(PyObject *op, struct ft_thread *thread, int64_t deadline)
{
    struct ft_interval_lock *lock = ft_word_of(op);
    if (deadline != FT_NO_WAIT && ft_exclusive_owned(lock, thread)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this thread holds the IntervalLock already; waiting for it would "
                        "never end");
        return FT_FAILED;
    }
    int outcome = ft_exclusive_lock_slow(ft_exclusive_ops_of(lock), lock, thread, deadline);
    if (outcome == FT_ACQUIRED) {
        restart(SELF(op), thread);
    }
    return outcome;
}

FT_INLINE int
take(PyObject *op, int64_t deadline)
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return FT_FAILED;
    }
    if (FT_UNLIKELY(!ft_exclusive_lock_fast(ft_word_of(op), thread))) {
        return take_slow(op, thread, deadline);
    }
    restart(SELF(op), thread);
    return FT_ACQUIRED;
}

int
ft_interval_take(PyObject *op, int64_t deadline)
{
    return take(op, deadline);
}

static PyObject *
interval_lock(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(take(op, FT_FOREVER));
}

static PyObject *
interval_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_enter(op, take);
}

static PyObject *
interval_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take);
}

/* ---- releasing ---- */

static FT_SLOW PyObject *
refuse(PyObject *op, const char *doing)
{
    return PyErr_Format(PyExc_RuntimeError,
                        !ft_exclusive_locked(ft_word_of(op))
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
    return FT_LIKELY(ft_exclusive_unlock(ft_word_of(op), thread)) ? Py_None : refuse(op, "cannot unlock");
}

int
ft_interval_give(PyObject *op)
{
    return interval_unlock(op, NULL) == NULL ? -1 : 0;
}

/* A cede() that a signal broke off inside the block has lost the lock. The exception that
 * is on its way says more than a complaint about that, so it passes. */
static FT_SLOW PyObject *
exit_unowned(PyObject *op, struct ft_thread *thread, bool raised)
{
    uint64_t mine = thread->owner;
    bool lost = atomic_compare_exchange_strong(&SELF(op)->lost_by, &mine, 0);
    return raised && lost ? Py_None : refuse(op, "cannot unlock");
}

static PyObject *
interval_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return NULL;
    }
    return FT_LIKELY(ft_exclusive_unlock(ft_word_of(op), thread))
               ? Py_None
               : exit_unowned(op, thread, nargs > 0 && !Py_IsNone(args[0]));
}

FT_WITHIN_METHOD(interval_within, ft_interval_take, interval_exit)

/* ---- cede and poll ---- */

/* Without Go a thread cannot be handed the lock; those that wait get a chance to take it. */
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
        atomic_store(&self->lost_by, thread->owner);
    }
    return outcome;
}

static inline PyObject *
cede(IntervalLock *self, struct ft_thread *thread)
{
    uint64_t s = atomic_load(&self->lock.word);
    bool waited_for = (s & FT_INTERVAL_PARKED) != 0 || ft_golib_missing();
    if (FT_UNLIKELY(waited_for) && cede_slow(self, thread) < 0) {
        return NULL;
    }
    restart(self, thread);
    Py_RETURN_NONE;
}

static PyObject *
interval_cede(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return NULL;
    }
    return FT_LIKELY(ft_exclusive_owned(&SELF(op)->lock, thread)) ? cede(SELF(op), thread)
                                                                  : refuse(op, "cannot cede");
}

/* The ticks say that the interval may have passed. */
static FT_SLOW PyObject *
poll_slow(IntervalLock *self, struct ft_thread *thread)
{
    if (self->surely_within == 0) {
        self->surely_within = ft_ticks_surely_within(self->lock.interval);
    }
    if (ft_ticks_elapsed(self->since) < self->lock.interval) {
        Py_RETURN_NONE;
    }
    return cede(self, thread);
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
        return refuse(op, "cannot poll");
    }
    if (FT_LIKELY(ft_ticks() - self->since < self->surely_within)) {
        Py_RETURN_NONE;
    }
    return poll_slow(self, thread);
}

/* ---- what it looks like ---- */

static PyObject *
interval_repr(PyObject *op)
{
    uint64_t s = atomic_load(&ft_word_of(op)->word);
    PyObject *named = ft_named(op, ft_type_name(op), "");
    if (s >> FT_OWNER_SHIFT == 0) {
        return ft_repr_free(op, "<%U unlocked at %p>", named);
    }
    return ft_repr_owned(op, "%U locked", named, s, "", ft_waiting_for(ft_word_of(op), FT_KIND_EXCLUSIVE));
}

static PyObject *
interval_get_interval(PyObject *op, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble((double)ft_word_of(op)->interval / 1e9);
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

static int
interval_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"interval", "name", NULL};
    PyObject *value = NULL, *name = NULL;
    int64_t ns = FT_DEFAULT_INTERVAL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$O:IntervalLock", names, &value, &name)
        || (value != NULL && parse_interval(value, &ns) < 0)) {
        return -1;
    }
    if (atomic_load(&ft_word_of(op)->word) != 0) {
        PyErr_SetString(PyExc_RuntimeError, "cannot initialize an IntervalLock that is in use");
        return -1;
    }
    if (ft_name_init(op, name) < 0) {
        return -1;
    }
    ft_word_of(op)->interval = ns;
    SELF(op)->surely_within = 0;
    return 0;
}

/* ---- the type ---- */

PyDoc_STRVAR(interval_doc,
"IntervalLock(interval=0.005, *, name=None)\n--\n\n"
"A mutual exclusion lock that is handed over fairly.\n"
"\n"
"interval is in seconds, finite and at least 0 (ValueError, TypeError). A release may\n"
"let a running thread take the lock first, for throughput, until the thread that has\n"
"waited longest has been the longest waiter for a turn: the interval shared out among\n"
"those that wait, though not cut below 2 ms. Then the lock is handed to it. So no\n"
"thread starves, and interval=0 is strict first come, first served. A timeout that is\n"
"shorter than a turn means only a few tries when another thread is at the lock all the\n"
"time. name is what reports call the lock: a str or None (TypeError).\n"
"\n"
"The thread that took the lock releases it. What it wrote before is seen by the thread\n"
"that takes the lock next. A blocked call on the main thread answers Ctrl-C.\n"
"\n"
"The policy joins the two modes of Go's sync.Mutex into one bound; the queues are a\n"
"parking lot (WebKit's WTF::ParkingLot).");

#define RELEASE_TEXT "RuntimeError, and nothing changed, when this thread does not hold it."

static PyMethodDef methods[] = {
    FT_NOARGS("lock", interval_lock,
              "Take the lock; wait for as long as it takes.\n"
              "\n"
              "RuntimeError when this thread holds it already. An exception from a signal handler\n"
              "ends the wait; the lock is then not taken."),
    FT_NOARGS("unlock", interval_unlock, "Release the lock.\n\n" RELEASE_TEXT),
    FT_ACQUIRE("acquire", interval_acquire, "Take the lock",
               "RuntimeError when this thread holds the lock already and would wait."),
    FT_NOARGS("release", interval_unlock, "Release the lock: the same as unlock().\n\n" RELEASE_TEXT),
    FT_NOARGS("cede", interval_cede,
              "Hand the lock to the thread that has waited longest, and return holding it again.\n"
              "\n"
              "The caller queues as the last. When no thread waits it returns at once. Either way the\n"
              "interval starts anew. RuntimeError when this thread does not hold the lock. If a\n"
              "signal handler raises while the caller waits to get the lock back, the caller has\n"
              "lost it; a with block lets that exception through."),
    FT_NOARGS("poll", interval_poll,
              "Call cede() if the interval has passed since the lock was acquired or last ceded.\n"
              "\n"
              "Made to be called often. RuntimeError when this thread does not hold the lock."),
    FT_EXCLUSIVE_LOCKED,
    FT_NOARGS("__enter__", interval_enter, "Take the lock, as lock(), and return it."),
    FT_EXIT(interval_exit, "Release the lock, as unlock()."),
    FT_WITHIN(interval_within),
    FT_EXCLUSIVE_IS_OWNED,
    FT_AT_FORK_REINIT(ft_exclusive_reinit_method, FT_FREE_TEXT),
    FT_METHODS_END,
};

static PyGetSetDef getset[] = {
    FT_GETTER("interval", interval_get_interval, "The interval in seconds."),
    FT_NAME_GETSET,
    {0},
};

static PyType_Slot slots[] = {
    FT_TYPE_SLOTS(interval_doc, ft_exclusive_new, interval_init, ft_object_dealloc, interval_repr, methods),
    FT_PLAIN_TYPE_SLOTS,
    {Py_tp_getset, getset},
    {0, NULL},
};

PyType_Spec ft_interval_lock_spec = FT_TYPE_SPEC("IntervalLock", IntervalLock, FT_PLAIN_TYPE_FLAGS, slots);
