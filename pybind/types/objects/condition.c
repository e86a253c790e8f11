/* Condition: the type. What its files share: condition.h. */
#include "objects/condition.h"

#include "objects/args.h"
#include "objects/exclusives.h"
#include "objects/naming.h"
#include "objects/patchable.h"
#include "objects/within.h"

FT_ASSERT_WORD(Condition, condition.word);

#define SELF(op) ((Condition *)(op))

/* ---- notifying ---- */

static FT_SLOW void
notify_slow(Condition *self, struct ft_thread *thread, uint64_t n)
{
    const struct ft_golib *go = ft_golib();
    if (go == NULL) {
        atomic_fetch_add(&self->notified, 1);
        return;
    }
    struct ft_waiter *waiter = &thread->seat->waiter;
    if (self->kind == FOREIGN) {
        go->ft_condition_notify(&self->condition, waiter, n);
    }
    else {
        go->ft_condition_notify_into(&self->condition, waiter, ft_word_of(self->lock), n);
    }
    ft_wake(waiter->chain);
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
    struct ft_thread *thread = ft_self();
    if (thread == NULL || ft_condlock_check_told(SELF(op), thread, "notify") < 0) {
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
    PyObject *given;
    struct ft_thread *thread;
    uint64_t n = 0;
    if (ft_gather_one("notify", "n", args, nargs, kwnames, &given) < 0) {
        return NULL;
    }
    if (FT_LIKELY(given == NULL)) {
        return notify(op, 1);
    }
    if ((thread = ft_self()) == NULL || ft_condlock_check_told(SELF(op), thread, "notify") < 0
        /* threading looks at the number only when a thread waits */
        || (ft_condition_waiting(op) > 0 && ft_countdown(given, &n) < 0)
        || (ft_runs_code(given) && ft_condlock_check_told(SELF(op), thread, "notify") < 0)) {
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
    return ft_none(ft_drop(result));
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
static PyObject *
condition_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Condition *self = SELF(op);
    switch (self->kind) {
    case LOCK:
        return ft_lock_take(self->lock, FT_FOREVER) > 0 ? Py_True : NULL;
    case RLOCK:
        return ft_rlock_take(self->lock, FT_FOREVER) > 0 ? Py_True : NULL;
    default:
        return ft_condlock_call(self, FT_ENTER_METHOD, NULL, 0, NULL);
    }
}

static PyObject *
condition_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Condition *self = SELF(op);
    switch (self->kind) {
    case LOCK:
        return ft_none(ft_lock_give(self->lock));
    case RLOCK:
        return ft_none(ft_rlock_give(self->lock));
    default:
        return ft_condlock_call(self, FT_EXIT_METHOD, args, nargs, NULL);
    }
}

static PyObject *
condition_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    enum kind kind = SELF(op)->kind;
    bool plain = (kind == LOCK || kind == RLOCK) && nargs == 0 && kwnames == NULL;
    return plain ? condition_enter(op, NULL) : ft_condlock_call(SELF(op), FT_ACQUIRE_METHOD, args, nargs, kwnames);
}

static PyObject *
condition_release(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    enum kind kind = SELF(op)->kind;
    bool plain = (kind == LOCK || kind == RLOCK) && nargs == 0 && kwnames == NULL;
    return plain ? condition_exit(op, NULL, 0) : ft_condlock_call(SELF(op), FT_RELEASE_METHOD, args, nargs, kwnames);
}

FT_WITHIN_METHOD(condition_within, ft_condlock_take_within, ft_condlock_exit_within)

static PyObject *
condition_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_condlock_call(SELF(op), FT_LOCKED_METHOD, NULL, 0, NULL);
}

PyObject *
ft_condition_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *thread = ft_self();
    return thread == NULL ? NULL : ft_bool(ft_condlock_is_owned(SELF(op), thread));
}

/* For a Condition that is the lock of another: an RLock below is released entirely. */
PyObject *
ft_condition_release_save(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_condlock_save(SELF(op));
}

PyObject *
ft_condition_acquire_restore(PyObject *op, PyObject *state)
{
    return ft_condlock_restore(SELF(op), state);
}

static PyObject *
condition_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    atomic_store(&SELF(op)->condition.word, 0);
    return ft_condlock_call(SELF(op), FT_AT_FORK_REINIT_METHOD, NULL, 0, NULL);
}

static PyObject *
condition_get_lock(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *lock = SELF(op)->lock;
    return lock == NULL ? ft_refuse_unmade(op) : Py_NewRef(lock);
}

/* Something to look at: the queue itself cannot be changed from outside. */
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
    PyObject *named = ft_named(op, ft_type_name(op), "");
    PyObject *text = named == NULL ? NULL
                                   : PyUnicode_FromFormat("<%U(%S, %lld)>", named, self->lock,
                                                          ft_condition_waiting(op));
    Py_XDECREF(named);
    return text;
}

/* ---- making ---- */

static enum kind
kind_of(PyObject *lock, const struct ft_module_state *state)
{
    PyTypeObject *type = Py_TYPE(lock);
    return type == state->lock       ? LOCK
           : type == state->rlock    ? RLOCK
           : type == state->interval ? INTERVAL
                                     : FOREIGN;
}

/* AttributeError, or another exception of the lock's own, when it is none. */
static bool
is_lock(PyObject *lock)
{
    int suits = PyObject_HasAttrStringWithError(lock, "acquire");
    if (suits > 0) {
        suits = PyObject_HasAttrStringWithError(lock, "release");
    }
    if (suits == 0) {
        PyErr_Format(PyExc_AttributeError, "Condition needs a lock with acquire and release, not %T", lock);
    }
    return suits > 0;
}

/* The RLock of a Condition that was given none. It has the same name: threads that were
 * notified wait for it. */
static PyObject *
own_lock(const struct ft_module_state *state, PyObject *name)
{
    PyObject *lock = PyObject_CallNoArgs((PyObject *)state->rlock);
    if (lock != NULL && ft_name_init(lock, name) < 0) {
        Py_CLEAR(lock);
    }
    return lock;
}

static int
condition_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", "name", NULL};
    PyObject *lock = Py_None, *name = NULL, *none = NULL;
    struct ft_known *made;
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O$O:Condition", names, &lock, &name)) {
        return -1;
    }
    lock = lock == Py_None ? own_lock(state, name) : is_lock(lock) ? Py_NewRef(lock)
                                                                   : NULL;
    if (lock == NULL) {
        return -1;
    }
    if (ft_name_make(name, &made) < 0) {
        Py_DECREF(lock);
        return -1;
    }
    /* Two threads may call this at the same time. */
    if (!atomic_compare_exchange_strong(&SELF(op)->lock, &none, lock)) {
        Py_DECREF(lock);
        ft_name_drop(made);
        PyErr_SetString(PyExc_RuntimeError, "this Condition has its lock already; make another one");
        return -1;
    }
    ft_name_begin(op, name, made);
    SELF(op)->kind = kind_of(lock, state);
    return 0;
}

PyObject *
ft_condition_over(const struct ft_module_state *state, PyObject *lock, void *event)
{
    PyObject *op = state->condition->tp_alloc(state->condition, 0);
    if (op != NULL) {
        atomic_store(&SELF(op)->lock, Py_NewRef(lock));
        atomic_store(&SELF(op)->kind, LOCK);
        atomic_store(&SELF(op)->event, event);
    }
    return op;
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
    SELF(op)->kind = FOREIGN; /* first: finalizers may use the condition still */
    Py_XDECREF(atomic_exchange(&SELF(op)->lock, NULL));
    Py_CLEAR(SELF(op)->dict);
    return 0;
}

/* A condition may be the lock of another, however deep: the trashcan keeps the stack low. */
void
ft_condition_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, ft_condition_dealloc)
    ft_patchable_abandon(op, &SELF(op)->dict);
    condition_clear(op);
    ft_lock_free(op);
    Py_TRASHCAN_END
}

/* ---- the type ---- */

PyDoc_STRVAR(condition_doc,
"Condition(lock=None, *, name=None)\n--\n\n"
"A lock with waiting for a change of what it guards: threading.Condition.\n"
"\n"
"lock is anything with acquire and release (AttributeError otherwise); None makes an\n"
"RLock. With a Lock, RLock or IntervalLock of this package a notified thread sleeps on\n"
"until the lock is its own: notify_all() wakes no crowd. name is what reports call the\n"
"condition, and the RLock that it makes: a str or None (TypeError).");

static PyMethodDef methods[] = {
    FT_KEYWORDS("acquire", condition_acquire, "*args, **kwargs", "Call the acquire method of the lock."),
    FT_KEYWORDS("release", condition_release, "*args, **kwargs", "Call the release method of the lock."),
    FT_NOARGS("locked", condition_locked, "Call the locked method of the lock, as in Python 3.14."),
    FT_KEYWORDS("wait", ft_condition_wait, "timeout=None",
                "Release the lock, wait to be notified, take the lock again; False if the time was over.\n"
                "\n"
                "timeout is in seconds; None waits for as long as it takes. RuntimeError when the lock is\n"
                "not held, OverflowError or TypeError for a bad timeout; the lock stays as it was then. An\n"
                "exception from a signal handler ends the wait, after the lock is held again. (A lock of\n"
                "another kind that has no _acquire_restore is taken by its acquire(), which a further\n"
                "exception can end, as with threading: then it is not held.)"),
    FT_KEYWORDS("wait_for", ft_condition_wait_for, "predicate, timeout=None",
                "Wait until predicate() is true, or the time is over; return its last result.\n"
                "\n"
                "timeout is in seconds, for all waits together, from the first of them on. Where it has to\n"
                "wait: RuntimeError when the lock is not held, OverflowError, TypeError or ValueError (NaN)\n"
                "for a bad timeout."),
    FT_KEYWORDS("notify", condition_notify, "n=1",
                "End the wait of up to n threads, those that have waited longest first.\n"
                "\n"
                "They go on when they get the lock. RuntimeError when the lock is not held."),
    FT_NOARGS("notify_all", condition_notify_all,
              "End the wait of all threads that wait.\n"
              "\n"
              "They go on one by one as they get the lock. RuntimeError when the lock is not held."),
    FT_NOARGS("notifyAll", condition_notify_all_old,
              "The old name of notify_all(); DeprecationWarning, RuntimeError as there."),
    FT_NOARGS("__enter__", condition_enter, "Enter the lock, and return what that gives."),
    FT_EXIT(condition_exit, "Exit the lock."),
    FT_WITHIN(condition_within),
    FT_IS_OWNED(ft_condition_is_owned, "the lock"),
    FT_NOARGS("_release_save", ft_condition_release_save,
              "Release the lock entirely, for a Condition whose lock this is."),
    FT_ONE_ARG("_acquire_restore", ft_condition_acquire_restore, "state",
               "Take the lock as it was before _release_save."),
    FT_AT_FORK_REINIT(condition_reinit, "Forget the threads that waited and make the lock free"),
    FT_METHODS_END,
};

static PyGetSetDef getset[] = {
    FT_GETTER("_lock", condition_get_lock, "The lock."),
    FT_GETTER("_waiters", condition_get_waiters,
              "The threads that wait, to be counted and looked at: a sequence of threading.get_ident()."),
    FT_NAME_GETSET,
    FT_DICT_GETSET,
    {0},
};

static PyMemberDef members[] = FT_PATCHABLE_MEMBERS(Condition);

static PyType_Slot slots[] = {
    FT_TYPE_SLOTS(condition_doc, PyType_GenericNew, condition_init, ft_condition_dealloc,
                  condition_repr, methods),
    FT_PATCHABLE_TYPE_SLOTS(condition_traverse, condition_clear, getset, members),
    {0, NULL},
};

PyType_Spec ft_condition_spec = FT_TYPE_SPEC("Condition", Condition, FT_PATCHABLE_TYPE_FLAGS, slots);
