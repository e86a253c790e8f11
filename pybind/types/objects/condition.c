/* Condition. The word and the moving of waiters: golib/locks/condition.go.
 *
 * With a Lock, RLock or IntervalLock of this package the whole wait is done here: a
 * notified thread sleeps on in the queue of the lock. Any other lock is used by its
 * methods, as threading.Condition uses them. */
#include "objects/args.h"
#include "objects/condlock.h"
#include "platform/os.h"
#include "core/fallback.h"
#include "platform/pyver.h"
#include "objects/types.h"

_Static_assert(offsetof(Condition, condition.word) == FT_WORD_OFFSET, "snapshot() counts on it");

#define SELF(op) ((Condition *)(op))

/* What others see of a wait; what it does is told by the hooks. */
static const struct ft_wait_ops ops = {
    .kind = FT_KIND_EXCLUSIVE,
    .flags = FT_CONDITION_PARKED,
    .stays = true,
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

static const struct ft_hooks hooks = {woken, NULL, time_over, look};

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
sleep_in_queue(Condition *self, struct ft_thread *thread, struct ft_waiter *chain, int64_t deadline)
{
    struct ft_waiting wait = {&hooks, &ops, &self->condition, thread, deadline, true, true, 0};
    ft_wait_loop(&wait, chain, FT_SLEEP);
    return wait.end == FT_END_IN_CHILD ? NOTIFIED : (enum end)wait.end;
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
    if (go != NULL) {
        go->ft_condition_enlist(&self->condition, &thread->seat->waiter);
    }
    ft_announce(&ops, &self->condition, thread);
    struct ft_waiter *chain;
    enum end ended = RAISED;
    *failed = ft_condlock_release(self, thread, saved, &chain);
    if (*failed < 0) {
        unqueue(self, thread);
        ft_forget(&thread->seat->waiter);
    }
    else if (ft_golib() != NULL) { /* the lock's methods may have forked, and this be the child */
        ended = sleep_in_queue(self, thread, chain, deadline);
    }
    else {
        ended = look_for_notification(self, thread, before, deadline);
    }
    ft_announce(&ops, NULL, thread);
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
        ft_wait_moved(ft_exclusive_ops_of(word_of(self)), word_of(self), thread, ended == COMING);
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

static PyObject *
condition_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    CHECK_MADE(op)
    struct ft_thread *thread = ft_self();
    int64_t deadline;
    if (thread == NULL || ft_parse_wait("wait", args, nargs, kwnames, &deadline) < 0
        || ft_condlock_check_owned(SELF(op), thread, "wait") < 0) {
        return NULL;
    }
    int outcome = wait_until(SELF(op), thread, deadline == FT_NO_WAIT ? ft_os_now() : deadline);
    return outcome < 0 ? NULL : PyBool_FromLong(outcome);
}

static PyObject *
condition_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    CHECK_MADE(op)
    static const char *const names[] = {"predicate", "timeout"};
    PyObject *found[2] = {NULL, NULL};
    struct ft_thread *thread = ft_self();
    int64_t deadline;
    if (thread == NULL || ft_gather("wait_for", names, 2, args, nargs, kwnames, found) < 0
        || ft_parse_timeout(found[1], &deadline) < 0) {
        return NULL;
    }
    if (found[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "wait_for() missing its argument, predicate");
        return NULL;
    }
    for (;;) {
        PyObject *result = PyObject_CallNoArgs(found[0]);
        int truth = result == NULL ? -1 : PyObject_IsTrue(result);
        bool over = deadline == FT_NO_WAIT || (deadline != FT_FOREVER && ft_os_now() >= deadline);
        if (truth != 0 || over) {
            if (truth < 0) {
                Py_CLEAR(result);
            }
            return result;
        }
        Py_DECREF(result);
        if (ft_condlock_check_owned(SELF(op), thread, "wait") < 0 || wait_until(SELF(op), thread, deadline) < 0) {
            return NULL;
        }
    }
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
notify(PyObject *op, uint64_t n)
{
    CHECK_MADE(op)
    struct ft_thread *thread = ft_self();
    if (thread == NULL || ft_condlock_check_owned(SELF(op), thread, "notify") < 0) {
        return NULL;
    }
    bool waited_for = atomic_load(&SELF(op)->condition.word) != 0 || ft_golib() == NULL;
    if (waited_for && n > 0) {
        notify_slow(SELF(op), thread, n);
    }
    Py_RETURN_NONE;
}

static PyObject *
condition_notify(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"n"};
    PyObject *found[1] = {NULL};
    if (FT_LIKELY(nargs == 0 && kwnames == NULL)) {
        return notify(op, 1);
    }
    if (ft_gather("notify", names, 1, args, nargs, kwnames, found) < 0) {
        return NULL;
    }
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(found[0], &overflow);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return notify(op, overflow > 0 ? UINT64_MAX : overflow < 0 || n < 0 ? 0 : (uint64_t)n);
}

static PyObject *
condition_notify_all(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return notify(op, UINT64_MAX);
}

static PyObject *
condition_notify_all_old(PyObject *op, PyObject *unused)
{
    return PyErr_WarnEx(PyExc_DeprecationWarning, "notifyAll() is deprecated, use notify_all() instead", 1) < 0
               ? NULL
               : condition_notify_all(op, unused);
}

/* ---- the lock's own methods ---- */

static PyObject *
condition_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    CHECK_MADE(op)
    PyObject *method = PyObject_GetAttrString(SELF(op)->lock, "acquire");
    PyObject *result = method == NULL ? NULL : PyObject_Vectorcall(method, args, (size_t)nargs, kwnames);
    Py_XDECREF(method);
    return result;
}

static PyObject *
condition_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    CHECK_MADE(op)
    return PyObject_CallMethod(SELF(op)->lock, "release", NULL);
}

static PyObject *
condition_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    CHECK_MADE(op)
    Condition *self = SELF(op);
    if (self->kind == LOCK) {
        return ft_lock_take(self->lock, FT_FOREVER) > 0 ? Py_True : NULL;
    }
    if (self->kind == RLOCK) {
        return ft_rlock_take(self->lock, FT_FOREVER) > 0 ? Py_True : NULL;
    }
    return PyObject_CallMethod(self->lock, "__enter__", NULL);
}

static PyObject *
condition_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    CHECK_MADE(op)
    Condition *self = SELF(op);
    if (self->kind == LOCK) {
        return ft_lock_give(self->lock) == 0 ? Py_None : NULL;
    }
    if (self->kind == RLOCK) {
        return ft_rlock_give(self->lock) == 0 ? Py_None : NULL;
    }
    PyObject *method = PyObject_GetAttrString(self->lock, "__exit__");
    PyObject *result = method == NULL ? NULL : PyObject_Vectorcall(method, args, (size_t)nargs, NULL);
    Py_XDECREF(method);
    return result;
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

static PyObject *
condition_repr(PyObject *op)
{
    Condition *self = SELF(op);
    if (self->lock == NULL) {
        return PyUnicode_FromFormat("<%s without a lock at %p>", ft_type_name(op), op);
    }
    const struct ft_golib *go = ft_golib();
    long long waiting = go != NULL ? go->ft_waiting(&self->condition, FT_KIND_EXCLUSIVE)
                                   : ft_count_waiting(&self->condition, FT_KIND_EXCLUSIVE);
    return PyUnicode_FromFormat("<%s of %R waiters=%lld at %p>", ft_type_name(op), self->lock, waiting, op);
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
    return 0;
}

static int
condition_clear(PyObject *op)
{
    Py_CLEAR(SELF(op)->lock);
    return 0;
}

static void
condition_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    condition_clear(op);
    ft_object_dealloc(op);
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
"not held. An exception from a signal handler ends the wait, after the lock is held again.");
PyDoc_STRVAR(wait_for_doc,
"wait_for($self, /, predicate, timeout=None)\n--\n\n"
"Wait until predicate() is true, or the time is over; return its last result.\n"
"\n"
"timeout is in seconds, for all waits together. RuntimeError when the lock is not held.");
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
PyDoc_STRVAR(release_doc, "release($self, /)\n--\n\nCall the release method of the lock.");
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
    {"release", condition_release, METH_NOARGS, release_doc},
    {"wait", FT_FASTCALL(condition_wait), METH_FASTCALL | METH_KEYWORDS, wait_doc},
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
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Condition, weakrefs), Py_READONLY, NULL},
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
    .flags = FT_LOCK_TYPE_FLAGS | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};
