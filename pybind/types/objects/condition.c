/* Condition. The word and the moving of waiters: golib/locks/condition.go.
 *
 * With a Lock, RLock or IntervalLock of this package the whole wait is done here: a
 * notified thread sleeps on in the queue of the lock. Any other lock is used by its
 * methods, as threading.Condition uses them. */
#include "core/deadlock.h"
#include "objects/args.h"
#include "objects/condlock.h"
#include "platform/os.h"
#include "objects/patchable.h"
#include "core/fallback.h"
#include "objects/types.h"

_Static_assert(offsetof(Condition, condition.word) == FT_WORD_OFFSET, "snapshot() counts on it");

#define SELF(op) ((Condition *)(op))

/* What others see of a wait; what it does is told by the hooks. */
#define OPS(moves_to_)                \
    {                                 \
        .kind = FT_KIND_EXCLUSIVE,    \
        .flags = FT_CONDITION_PARKED, \
        .stays = true,                \
        .side = FT_SIDE_WAIT,         \
        .what = "Condition",          \
        .moves_to = (moves_to_),      \
    }

static const struct ft_wait_ops ops_with[] = {
    [FOREIGN] = OPS(NULL),
    [LOCK] = OPS(NULL),
    [RLOCK] = OPS(&ft_rlock_ops),
    [INTERVAL] = OPS(&ft_exclusive_ops),
};

static FT_SLOW PyObject *
refuse_unmade(PyObject *op)
{
    return PyErr_Format(PyExc_RuntimeError, "this %s was made by __new__ alone; call its __init__",
                        ft_type_name(op));
}

/* ---- waiting ---- */

#define OF(word) ((Condition *)((char *)(word) - offsetof(Condition, condition)))

/* How the queueing of a wait ended. */
enum end {
    NOTIFIED, /* it has to take the lock */
    MOVED,    /* it is in the queue of the lock, or a wake-up from there is on its way */
    COMING,   /* it was woken there: to compete for the lock, or holding it */
    EXPIRED,
    RAISED,
};

static enum ft_step
end(struct ft_waiting *wait, enum end how)
{
    wait->end = how;
    return FT_END;
}

/* Whether the waiter is in the queue of the lock by now, or was. A foreign lock has none. */
static bool
moved(const struct ft_waiting *wait)
{
    return OF(wait->lock)->kind != FOREIGN
           && atomic_load(&wait->self->seat->waiter.key) != (uintptr_t)wait->lock;
}

/* Leaves the queue of the condition, unless somebody notified us before. */
static enum ft_step
leave(struct ft_waiting *wait, int32_t why, enum end otherwise, enum end if_notified)
{
    if (!ft_golib()->ft_condition_withdraw(wait->lock, &wait->self->seat->waiter, why)) {
        return end(wait, otherwise);
    }
    if (moved(wait)) {
        return end(wait, MOVED);
    }
    ft_consume_wakeup(wait->self);
    return end(wait, if_notified);
}

static enum ft_step
woken(struct ft_waiting *wait)
{
    return end(wait, moved(wait) ? COMING : NOTIFIED);
}

static enum ft_step
time_over(struct ft_waiting *wait)
{
    return leave(wait, FT_REASON_TIMED_OUT, EXPIRED, NOTIFIED);
}

static enum ft_step
look(struct ft_waiting *wait)
{
    if (!ft_golib()->ft_condition_aside(wait->lock, &wait->self->seat->waiter)) {
        return leave(wait, FT_REASON_LOOKING, NOTIFIED, NOTIFIED); /* the handlers have to wait */
    }
    if (ft_run_handlers_waiting(wait->self) == 0) {
        return FT_SLEEP;
    }
    /* Notified or not: the exception ends the wait. */
    return ft_golib() == NULL ? end(wait, RAISED) : leave(wait, FT_REASON_INTERRUPTED, RAISED, RAISED);
}

/* It has to come back with the lock, so it never raises; but its line is to be known. */
static enum ft_step
stuck(struct ft_waiting *wait)
{
    Py_XDECREF(ft_deadlock_look(wait));
    return FT_SLEEP;
}

static const struct ft_hooks hooks = {woken, NULL, time_over, stuck, look};

/* Without Go there is no queue: look for a notification now and then. Others' counts too. */
static enum end
look_for_notification(Condition *self, struct ft_thread *thread, uint64_t before, int64_t deadline)
{
    while (atomic_load(&self->notified) == before) {
        if (deadline != FT_FOREVER && ft_os_now() >= deadline) {
            return EXPIRED;
        }
        if (ft_run_handlers_waiting(thread) < 0) {
            return RAISED;
        }
        ft_fallback_nap(thread, deadline);
    }
    return NOTIFIED;
}

/* The wait of a thread that is queued, or has to look by itself. In a child that a signal
 * handler forked nobody of the parent can notify: it looks for itself at once. */
static enum end
sleep_in_queue(struct ft_waiting *wait, struct ft_waiter *chain)
{
    ft_wait_loop(wait, chain, FT_SLEEP);
    return wait->end == FT_END_IN_CHILD ? NOTIFIED : (enum end)wait->end;
}

/* The lock could not be released: out of the queue again. The exception stays. */
static void
unqueue(Condition *self, struct ft_thread *thread)
{
    const struct ft_golib *go = ft_golib();
    struct ft_waiter *waiter = &thread->seat->waiter;
    if (go != NULL && go->ft_condition_withdraw(&self->condition, waiter, FT_REASON_LOOKING)) {
        ft_consume_wakeup(thread);
    }
}

/* The caller holds the lock, and holds it no more afterwards, unless failed is -1. */
static enum end
wait_unlocked(Condition *self, struct ft_thread *thread, int64_t deadline, struct saved *saved, int *failed)
{
    const struct ft_golib *go = ft_golib_load();
    uint64_t before = atomic_load(&self->notified);
    struct ft_record record;
    ft_record_begin(&record, &ops_with[self->kind], &self->condition, thread, FT_RECORD_OUTSIDE);
    if (go != NULL) {
        go->ft_condition_enlist(&self->condition, &thread->seat->waiter);
    }
    struct ft_waiting wait = {
        .hooks = &hooks,
        .ops = &ops_with[self->kind],
        .lock = &self->condition,
        .self = thread,
        .deadline = deadline,
        .interruptible = true,
        .handed = true,
        .stuck_after = self->kind == RLOCK || self->kind == INTERVAL ? ft_deadlock_delay() : 0,
    };
    ft_announce(&wait);
    struct ft_waiter *chain;
    enum end ended = RAISED;
    *failed = ft_condlock_release(self, thread, saved, &chain);
    if (*failed < 0) {
        unqueue(self, thread);
        ft_forget(&thread->seat->waiter);
        ft_record_cancel(&record, thread);
    }
    else if (ft_golib() != NULL) { /* the lock's methods may have forked, and this be the child */
        ended = sleep_in_queue(&wait, chain);
    }
    else {
        ended = look_for_notification(self, thread, before, deadline);
    }
    ft_announce_end(thread);
    ft_record_end(&record, thread);
    return ended;
}

/* 1 notified, 0 time over, -1 with an exception set. */
static int
wait_until(Condition *self, struct ft_thread *thread, int64_t deadline)
{
    struct saved saved = {0, NULL};
    int failed = 0;
    if (ft_self_prepare_wait(thread) < 0) {
        return -1;
    }
    enum end ended = wait_unlocked(self, thread, deadline, &saved, &failed);
    if (failed < 0) {
        return -1; /* the lock could not be released, so it is still held */
    }
    if (ended == MOVED || ended == COMING) {
        PyObject *raised = PyErr_GetRaisedException();
        ft_wait_moved(ops_of(self), word_of(self), thread, ended == COMING);
        PyErr_SetRaisedException(raised);
    }
    else {
        ft_forget(&thread->seat->waiter);
        if (ft_condlock_retake(self, thread, &saved) < 0) {
            return -1;
        }
    }
    if (self->kind == RLOCK) {
        ft_rlock_restore(self->lock, saved.depth);
    }
    if (self->kind == INTERVAL) {
        ft_interval_restart(self->lock);
    }
    return PyErr_Occurred() ? -1 : ended != EXPIRED;
}

/* ---- methods ---- */

#define CHECK_MADE(op)                              \
    if (FT_UNLIKELY(SELF(op)->lock == NULL)) {      \
        return refuse_unmade(op);                   \
    }

int
ft_condition_wait_until(PyObject *op, struct ft_thread *thread, int64_t deadline)
{
    return wait_until(SELF(op), thread, deadline == FT_NO_WAIT ? ft_os_now() : deadline);
}

PyObject *
ft_condition_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    CHECK_MADE(op)
    static const char *const names[] = {"timeout"};
    PyObject *found[1] = {NULL};
    struct ft_thread *thread = ft_self();
    int64_t ns;
    if (thread == NULL || ft_gather("wait", names, 1, args, nargs, kwnames, found) < 0
        || ft_condlock_check_owned(SELF(op), thread, "wait") < 0 || ft_judge_timeout(found[0], &ns) < 0) {
        return NULL;
    }
    int outcome = ft_condition_wait_until(op, thread, ft_deadline_in(ns));
    return outcome < 0 ? NULL : PyBool_FromLong(outcome);
}

static PyObject *
condition_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    CHECK_MADE(op)
    return ft_condition_wait_for(op, args, nargs, kwnames);
}

static FT_SLOW int
notify_slow(Condition *self, struct ft_thread *thread, uint64_t n)
{
    const struct ft_golib *go = ft_golib();
    if (go == NULL) {
        atomic_fetch_add(&self->notified, 1);
        return 0;
    }
    struct ft_waiter *waiter = &thread->seat->waiter;
    if (self->kind == FOREIGN) {
        go->ft_condition_notify(&self->condition, waiter, n);
    }
    else {
        go->ft_condition_notify_into(&self->condition, waiter, word_of(self), n);
    }
    ft_wake(waiter->chain);
    return 0;
}

static inline PyObject *
notify_owned(PyObject *op, struct ft_thread *thread, uint64_t n)
{
    bool waited_for = atomic_load(&SELF(op)->condition.word) != 0 || ft_golib() == NULL;
    if (waited_for && n > 0) {
        notify_slow(SELF(op), thread, n);
    }
    Py_RETURN_NONE;
}

static inline PyObject *
notify(PyObject *op, uint64_t n)
{
    CHECK_MADE(op)
    struct ft_thread *thread = ft_self();
    if (thread == NULL || ft_condlock_check_owned(SELF(op), thread, "notify") < 0) {
        return NULL;
    }
    return notify_owned(op, thread, n);
}

long long
ft_condition_waiting(PyObject *op)
{
    void *event = atomic_load(&SELF(op)->event);
    long long before = FT_UNLIKELY(event != NULL) ? ft_waiting_for(event, FT_KIND_SHARED) : 0;
    return before + ft_waiting_for(&SELF(op)->condition, FT_KIND_EXCLUSIVE);
}

static PyObject *
condition_notify(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    CHECK_MADE(op)
    static const char *const names[] = {"n"};
    PyObject *found[1] = {NULL};
    struct ft_thread *thread;
    uint64_t n = 0;
    if (FT_LIKELY(nargs == 0 && (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0))) {
        return notify(op, 1);
    }
    if (ft_gather("notify", names, 1, args, nargs, kwnames, found) < 0 || (thread = ft_self()) == NULL
        || ft_condlock_check_owned(SELF(op), thread, "notify") < 0
        /* threading looks at the number only when somebody waits */
        || (ft_condition_waiting(op) > 0 && ft_countdown(found[0], &n) < 0)) {
        return NULL;
    }
    return notify_owned(op, thread, n);
}

/* threading's calls notify(), so that one which was replaced is called. */
static FT_SLOW PyObject *
notify_all_patched(PyObject *op)
{
    PyObject *method;
    int own = ft_own_method(op, "notify", FT_FASTCALL(condition_notify), &method);
    if (own != 0) {
        return own > 0 ? notify(op, UINT64_MAX) : NULL;
    }
    PyObject *n = PyLong_FromLongLong(ft_condition_waiting(op));
    PyObject *result = n == NULL ? NULL : PyObject_CallOneArg(method, n);
    Py_XDECREF(n);
    Py_DECREF(method);
    Py_XDECREF(result);
    return result == NULL ? NULL : Py_None;
}

static PyObject *
condition_notify_all(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return FT_LIKELY(ft_condition_unpatched(op)) ? notify(op, UINT64_MAX) : notify_all_patched(op);
}

static PyObject *
condition_notify_all_old(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyErr_WarnEx(PyExc_DeprecationWarning, "notifyAll() is deprecated, use notify_all() instead", 1) < 0
               ? NULL
               : PyObject_CallMethod(op, "notify_all", NULL);
}

/* ---- the lock's own methods ---- */

/* A Lock or an RLock of ours needs no look for its methods. */
static inline bool
is_own(const Condition *self)
{
    return self->kind == LOCK || self->kind == RLOCK;
}

static inline PyObject *
enter_own(Condition *self)
{
    int taken = self->kind == LOCK ? ft_lock_take(self->lock, FT_FOREVER) : ft_rlock_take(self->lock, FT_FOREVER);
    return taken > 0 ? Py_True : NULL;
}

static inline PyObject *
exit_own(Condition *self)
{
    return (self->kind == LOCK ? ft_lock_give(self->lock) : ft_rlock_give(self->lock)) == 0 ? Py_None : NULL;
}

static PyObject *
call_lock(PyObject *op, const char *name, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *method = PyObject_GetAttrString(SELF(op)->lock, name);
    PyObject *result = method == NULL ? NULL : PyObject_Vectorcall(method, args, (size_t)nargs, kwnames);
    Py_XDECREF(method);
    return result;
}

static PyObject *
condition_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    CHECK_MADE(op)
    Condition *self = SELF(op);
    if (is_own(self) && nargs == 0 && kwnames == NULL) {
        return enter_own(self);
    }
    return call_lock(op, "acquire", args, nargs, kwnames);
}

static PyObject *
condition_release(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    CHECK_MADE(op)
    Condition *self = SELF(op);
    if (is_own(self) && nargs == 0 && kwnames == NULL) {
        return exit_own(self);
    }
    return call_lock(op, "release", args, nargs, kwnames);
}

static PyObject *
condition_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    CHECK_MADE(op)
    Condition *self = SELF(op);
    return is_own(self) ? enter_own(self) : PyObject_CallMethod(self->lock, "__enter__", NULL);
}

static PyObject *
condition_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    CHECK_MADE(op)
    Condition *self = SELF(op);
    return is_own(self) ? exit_own(self) : call_lock(op, "__exit__", args, nargs, NULL);
}

static PyObject *
condition_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    CHECK_MADE(op)
    struct ft_thread *thread = ft_self();
    int owned = thread == NULL ? -1 : ft_condlock_is_owned(SELF(op), thread);
    return owned < 0 ? NULL : PyBool_FromLong(owned);
}

/* For a Condition that is the lock of another: an RLock below is released entirely. */
static PyObject *
condition_release_save(PyObject *op, PyObject *Py_UNUSED(unused))
{
    CHECK_MADE(op)
    PyObject *state = Py_None;
    int found = ft_condlock_call_optional(SELF(op), "_release_save", NULL, &state);
    if (found < 0 || (found == 0 && ft_condlock_call(SELF(op), "release") < 0)) {
        return NULL;
    }
    return state;
}

static PyObject *
condition_acquire_restore(PyObject *op, PyObject *state)
{
    CHECK_MADE(op)
    PyObject *result = Py_None;
    int found = ft_condlock_call_optional(SELF(op), "_acquire_restore", state, &result);
    if (found < 0 || (found == 0 && ft_condlock_call(SELF(op), "acquire") < 0)) {
        return NULL;
    }
    return result;
}

static PyObject *
condition_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    CHECK_MADE(op)
    atomic_store(&SELF(op)->condition.word, 0);
    return PyObject_CallMethod(SELF(op)->lock, "_at_fork_reinit", NULL);
}

static PyObject *
condition_get_lock(PyObject *op, void *Py_UNUSED(closure))
{
    CHECK_MADE(op)
    return Py_NewRef(SELF(op)->lock);
}

/* Something to look at: the queue itself is nobody's to touch. */
static PyObject *
condition_get_waiters(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *report = PyImport_ImportModule("ft_utils._report");
    PyObject *waiters = report == NULL ? NULL : PyObject_CallMethod(report, "Waiters", "O", op);
    Py_XDECREF(report);
    return waiters;
}

static PyObject *
condition_repr(PyObject *op)
{
    Condition *self = SELF(op);
    if (self->lock == NULL) {
        return PyUnicode_FromFormat("<%s without a lock at %p>", ft_type_name(op), op);
    }
    return PyUnicode_FromFormat("<%s(%S, %lld)>", ft_type_name(op), self->lock, ft_condition_waiting(op));
}

/* ---- making ---- */

static PyObject *
condition_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return type->tp_alloc(type, 0);
}

static enum kind
kind_of(PyObject *lock, const struct ft_module_state *state)
{
    PyTypeObject *type = Py_TYPE(lock);
    return type == state->lock ? LOCK : type == state->rlock ? RLOCK : type == state->interval ? INTERVAL : FOREIGN;
}

static int
condition_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", NULL};
    PyObject *lock = Py_None;
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Condition", names, &lock)) {
        return -1;
    }
    if (SELF(op)->lock != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this Condition has its lock already; make another one");
        return -1;
    }
    if (lock == Py_None) {
        lock = PyObject_CallNoArgs((PyObject *)state->rlock);
    }
    else if (!PyObject_HasAttrString(lock, "acquire") || !PyObject_HasAttrString(lock, "release")) {
        PyErr_Format(PyExc_AttributeError, "Condition needs a lock with acquire and release, not %T", lock);
        return -1;
    }
    else {
        Py_INCREF(lock);
    }
    if (lock == NULL) {
        return -1;
    }
    bool late = false;
    Py_BEGIN_CRITICAL_SECTION(op);
    late = SELF(op)->lock != NULL; /* another thread initializes it at the same time */
    if (!late) {
        SELF(op)->kind = kind_of(lock, state);
        SELF(op)->lock = lock;
    }
    Py_END_CRITICAL_SECTION();
    if (late) {
        Py_DECREF(lock);
    }
    return 0;
}

static int
condition_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(SELF(op)->lock);
    Py_VISIT(SELF(op)->dict);
    return 0;
}

static int
condition_clear(PyObject *op)
{
    Py_CLEAR(SELF(op)->lock);
    Py_CLEAR(SELF(op)->dict);
    return 0;
}

/* A condition may be the lock of another, however deep: the trashcan keeps the stack low. */
static void
condition_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, condition_dealloc)
    ft_patchable_abandon(op, &SELF(op)->dict);
    condition_clear(op);
    ft_object_dealloc(op);
    Py_TRASHCAN_END
}

bool
ft_condition_unpatched(PyObject *op)
{
    return ft_unpatched(op, condition_dealloc, &SELF(op)->dict);
}

PyDoc_STRVAR(condition_doc,
"Condition(lock=None)\n--\n\n"
"A lock with waiting for a change of what it guards: threading.Condition.\n"
"\n"
"lock is anything with acquire and release (AttributeError otherwise); None makes an\n"
"RLock. With a Lock, RLock or IntervalLock of this package a notified thread sleeps on\n"
"until the lock is its own: notify_all() wakes no crowd.");
PyDoc_STRVAR(wait_doc,
"wait($self, /, timeout=None)\n--\n\n"
"Release the lock, wait to be notified, take the lock again; False if the time was over.\n"
"\n"
"timeout is in seconds; None waits for as long as it takes. RuntimeError when the lock is\n"
"not held, OverflowError or TypeError for a bad timeout; the lock stays as it was then. An\n"
"exception from a signal handler ends the wait, after the lock is held again.");
PyDoc_STRVAR(wait_for_doc,
"wait_for($self, /, predicate, timeout=None)\n--\n\n"
"Wait until predicate() is true, or the time is over; return its last result.\n"
"\n"
"timeout is in seconds, for all waits together, from the first of them on. Where it has to\n"
"wait: RuntimeError when the lock is not held, OverflowError, TypeError or ValueError (NaN)\n"
"for a bad timeout.");
PyDoc_STRVAR(notify_doc,
"notify($self, /, n=1)\n--\n\n"
"End the wait of up to n threads, those that have waited longest first.\n"
"\n"
"They go on when they get the lock. RuntimeError when the lock is not held.");
PyDoc_STRVAR(notify_all_doc,
"notify_all($self, /)\n--\n\n"
"End the wait of all who wait.\n"
"\n"
"They go on one by one as they get the lock. RuntimeError when the lock is not held.");
PyDoc_STRVAR(notify_all_old_doc,
"notifyAll($self, /)\n--\n\nThe old name of notify_all(); DeprecationWarning, RuntimeError as there.");
PyDoc_STRVAR(acquire_doc,
"acquire($self, /, *args, **kwargs)\n--\n\nCall the acquire method of the lock.");
PyDoc_STRVAR(release_doc,
"release($self, /, *args, **kwargs)\n--\n\nCall the release method of the lock.");
PyDoc_STRVAR(enter_doc, "__enter__($self, /)\n--\n\nEnter the lock, and return what that gives.");
PyDoc_STRVAR(exit_doc,
"__exit__($self, exc_type=None, exc_value=None, traceback=None, /)\n--\n\nExit the lock.");
PyDoc_STRVAR(is_owned_doc, "_is_owned($self, /)\n--\n\nReturn whether this thread holds the lock.");
PyDoc_STRVAR(save_doc,
"_release_save($self, /)\n--\n\nRelease the lock entirely, for a Condition whose lock this is.");
PyDoc_STRVAR(restore_doc,
"_acquire_restore($self, state, /)\n--\n\nTake the lock as it was before _release_save.");
PyDoc_STRVAR(reinit_doc,
"_at_fork_reinit($self, /)\n--\n\n"
"Forget who waited and make the lock free, in a forked child (for os.register_at_fork).");

static PyMethodDef methods[] = {
    {"acquire", FT_FASTCALL(condition_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", FT_FASTCALL(condition_release), METH_FASTCALL | METH_KEYWORDS, release_doc},
    {"wait", FT_FASTCALL(ft_condition_wait), METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"wait_for", FT_FASTCALL(condition_wait_for), METH_FASTCALL | METH_KEYWORDS, wait_for_doc},
    {"notify", FT_FASTCALL(condition_notify), METH_FASTCALL | METH_KEYWORDS, notify_doc},
    {"notify_all", condition_notify_all, METH_NOARGS, notify_all_doc},
    {"notifyAll", condition_notify_all_old, METH_NOARGS, notify_all_old_doc},
    {"__enter__", condition_enter, METH_NOARGS, enter_doc},
    {"__exit__", FT_FASTCALL(condition_exit), METH_FASTCALL, exit_doc},
    {"_is_owned", condition_is_owned, METH_NOARGS, is_owned_doc},
    {"_release_save", condition_release_save, METH_NOARGS, save_doc},
    {"_acquire_restore", condition_acquire_restore, METH_O, restore_doc},
    {"_at_fork_reinit", condition_reinit, METH_NOARGS, reinit_doc},
    FT_REFUSE_PICKLE_METHOD,
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"_lock", condition_get_lock, NULL, PyDoc_STR("The lock."), NULL},
    {"_waiters", condition_get_waiters, NULL,
     PyDoc_STR("Who waits, to be counted and looked at: a sequence of threading.get_ident()."), NULL},
    FT_DICT_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    FT_PATCHABLE_MEMBERS(Condition),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)condition_doc},
    {Py_tp_new, condition_new},
    {Py_tp_init, condition_init},
    {Py_tp_dealloc, condition_dealloc},
    {Py_tp_traverse, condition_traverse},
    {Py_tp_clear, condition_clear},
    {Py_tp_repr, condition_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec ft_condition_spec = {
    .name = "ft_utils.synchronization.Condition",
    .basicsize = sizeof(Condition),
    .flags = FT_PATCHABLE_TYPE_FLAGS,
    .slots = slots,
};
