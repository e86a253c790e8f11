/* TimedContext: what within() gives. */
#include "objects/within.h"

#include "objects/types.h"

typedef struct {
    FT_OBJECT_HEAD
    PyObject *lock; /* this and the next three are constant */
    ft_take_fn *take;
    ft_exit_fn *exit;
    int64_t timeout; /* nanoseconds */
    /* Entries that have not been left. Several threads may have entered, as with a semaphore, or
     * one several times, as with an RLock: which of them may leave is the lock's business. */
    _Atomic(uint64_t) entries;
} TimedContext;

#define SELF(op) ((TimedContext *)(op))

PyObject *
ft_within(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
          ft_take_fn *take, ft_exit_fn *exit)
{
    PyObject *timeout;
    int64_t ns;
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    if (state == NULL || ft_gather_one("within", "timeout", args, nargs, kwnames, &timeout) < 0) {
        return NULL;
    }
    if (timeout == NULL) {
        return PyErr_Format(PyExc_TypeError, "within() needs a timeout in seconds");
    }
    if (ft_parse_limit(timeout, &ns) < 0) {
        return NULL;
    }
    PyTypeObject *type = state->timed_context;
    PyObject *context = type->tp_alloc(type, 0);
    if (context != NULL) {
        SELF(context)->lock = Py_NewRef(op);
        SELF(context)->take = take;
        SELF(context)->exit = exit;
        SELF(context)->timeout = ns;
    }
    return context;
}

static PyObject *
seconds_of(PyObject *op)
{
    return PyFloat_FromDouble((double)SELF(op)->timeout / 1e9);
}

/* What the lock looks like, or only the name of its type where its repr fails: a subclass may
 * have any. NULL with the exception set if that is one that must not be passed over. */
static PyObject *
description(PyObject *lock)
{
    PyObject *text = PyObject_Repr(lock);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();
        text = PyUnicode_FromFormat("the %s", ft_type_name(lock));
    }
    return text;
}

static FT_SLOW PyObject *
raise_timeout(PyObject *op)
{
    PyObject *lock = description(SELF(op)->lock);
    PyObject *seconds = lock == NULL ? NULL : seconds_of(op);
    if (seconds != NULL) {
        PyErr_Format(PyExc_TimeoutError, "%U could not be taken within %R s", lock, seconds);
    }
    Py_XDECREF(seconds);
    Py_XDECREF(lock);
    return NULL;
}

/* Between the taking and the return nothing can fail and no Python code runs: an exception from
 * outside finds the lock not taken, or the with statement that gives it back. */
static PyObject *
timed_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    TimedContext *self = SELF(op);
    int outcome = self->take(self->lock, ft_deadline_in(self->timeout));
    if (FT_UNLIKELY(outcome <= 0)) {
        return outcome < 0 ? NULL : raise_timeout(op);
    }
    atomic_fetch_add(&self->entries, 1);
    return Py_NewRef(self->lock);
}

/* One exit less to make, by the caller; false when there is none. */
static bool
claim(TimedContext *self)
{
    uint64_t n = atomic_load(&self->entries);
    while (n > 0) {
        if (atomic_compare_exchange_weak(&self->entries, &n, n - 1)) {
            return true;
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "cannot leave a TimedContext that was not entered; its lock stays as it is");
    return false;
}

/* An exit that the lock refuses has changed nothing: it was not the thread's own to make, and the
 * one that entered can still leave. It must not find its exit claimed by one that is about to be
 * refused. So claim and answer are one step: our locks refuse before they could let go of the
 * critical section, or of the GIL. */
static PyObject *
timed_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    TimedContext *self = SELF(op);
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    bool claimed = claim(self);
    result = claimed ? self->exit(self->lock, args, nargs) : NULL;
    if (FT_UNLIKELY(claimed && result == NULL)) {
        atomic_fetch_add(&self->entries, 1);
    }
    Py_END_CRITICAL_SECTION();
    return result;
}

static PyObject *
timed_get_lock(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(SELF(op)->lock);
}

static PyObject *
timed_get_timeout(PyObject *op, void *Py_UNUSED(closure))
{
    return seconds_of(op);
}

static PyObject *
timed_repr(PyObject *op)
{
    PyObject *seconds = seconds_of(op);
    PyObject *text = seconds == NULL ? NULL
                                     : PyUnicode_FromFormat("<%s of %R within %R s at %p>", ft_type_name(op),
                                                            SELF(op)->lock, seconds, op);
    Py_XDECREF(seconds);
    return text;
}

static int
timed_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(SELF(op)->lock);
    return 0;
}

static void
timed_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(SELF(op)->lock);
    ft_object_free(op);
}

/* ---- the type ---- */

PyDoc_STRVAR(timed_doc,
"A with statement's hold on a lock, with a time-out: what within() of a lock gives.\n"
"\n"
"Entering takes the lock or raises TimeoutError, and gives the lock; leaving releases it\n"
"as the lock's own with statement does. It may be entered as often, and by as many\n"
"threads at a time, as the lock allows; each entry has a time of its own. Leaving what was\n"
"not entered raises RuntimeError and changes nothing.");

static PyMethodDef methods[] = {
    FT_NOARGS("__enter__", timed_enter,
              "Take the lock in time and return it; TimeoutError if it could not be had."),
    FT_EXIT(timed_exit, "Release the lock, as its own __exit__ does."),
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\nTimedContext[T], for annotations: of a lock of type T.")},
    FT_METHODS_END,
};

static PyGetSetDef getset[] = {
    FT_GETTER("lock", timed_get_lock, "The lock that this takes."),
    FT_GETTER("timeout", timed_get_timeout, "The time-out in seconds."),
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)timed_doc},
    {Py_tp_dealloc, timed_dealloc},
    {Py_tp_repr, timed_repr},
    {Py_tp_methods, methods},
    {Py_tp_members, ft_members},
    {Py_tp_traverse, timed_traverse},
    {Py_tp_getset, getset},
    {0, NULL},
};

#define TYPE_FLAGS \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION)

PyType_Spec ft_timed_context_spec = FT_TYPE_SPEC("TimedContext", TimedContext, TYPE_FLAGS, slots);
