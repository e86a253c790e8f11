/* Lock: threading's, on the word of an IntervalLock with the default interval. */
#include "objects/args.h"
#include "objects/exclusives.h"
#include "objects/naming.h"
#include "objects/types.h"
#include "objects/within.h"

/* ---- taking and releasing ---- */

FT_INLINE int
take(PyObject *op, int64_t deadline)
{
    struct ft_thread *self = ft_self();
    if (FT_UNLIKELY(self == NULL)) {
        return FT_FAILED;
    }
    return FT_LIKELY(ft_exclusive_lock_fast(ft_word_of(op), self))
               ? FT_ACQUIRED
               : ft_exclusive_lock_slow(&ft_anybodys_ops, ft_word_of(op), self, deadline);
}

static FT_SLOW int
refuse_release(void)
{
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_RuntimeError, "release unlocked lock: nobody holds this Lock");
    }
    return -1;
}

FT_INLINE int
give(PyObject *op)
{
    return FT_LIKELY(ft_exclusive_unlock_any(ft_word_of(op))) ? 0 : refuse_release();
}

int
ft_lock_take(PyObject *op, int64_t deadline)
{
    return take(op, deadline);
}

int
ft_lock_give(PyObject *op)
{
    return give(op);
}

/* ---- methods ---- */

/* __enter__ too: as threading's, it takes the arguments of acquire. */
static PyObject *
lock_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take);
}

static PyObject *
lock_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(give(op));
}

static PyObject *
lock_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return ft_none(give(op));
}

FT_WITHIN_METHOD(lock_within, take, lock_exit)

/* As CPython's lock says it, with the owner and the number of waiters added. */
static PyObject *
lock_repr(PyObject *op)
{
    uint64_t s = atomic_load(&ft_word_of(op)->word);
    PyObject *named = ft_named(op, Py_TYPE(op)->tp_name, " object");
    if (s >> FT_OWNER_SHIFT == 0) {
        return ft_repr_free(op, "<unlocked %U at %p>", named);
    }
    return ft_repr_owned(op, "locked %U", named, s, "", ft_waiting_for(ft_word_of(op), FT_KIND_EXCLUSIVE));
}

static int
lock_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *name;
    return ft_name_alone(args, kwargs, "|$O:Lock", &name) < 0 ? -1 : ft_name_init(op, name);
}

/* ---- the type ---- */

PyDoc_STRVAR(lock_doc,
"Lock(*, name=None)\n--\n\n"
"A mutual exclusion lock: threading.Lock, handed over fairly.\n"
"\n"
"Any thread may release it. Under contention it behaves as an IntervalLock with the\n"
"default interval: running threads may go first, but nobody starves. name is what\n"
"reports call it: a str or None (TypeError).");

static PyMethodDef methods[] = {
    FT_ACQUIRE("acquire", lock_acquire, "Take the lock",
               "An exception from a signal handler ends the wait; the lock is then not taken."),
    FT_NOARGS("release", lock_release,
              "Release the lock, from any thread.\n"
              "\n"
              "RuntimeError, and nothing changed, when nobody holds it."),
    FT_EXCLUSIVE_LOCKED,
    FT_KEYWORDS("acquire_lock", lock_acquire, "blocking=True, timeout=-1",
                "An obsolete name of acquire(); timeout is in seconds."),
    FT_NOARGS("release_lock", lock_release, "An obsolete name of release()."),
    FT_NOARGS("locked_lock", ft_exclusive_locked_method, "An obsolete name of locked()."),
    FT_EXCLUSIVE_ENTER(lock_acquire),
    FT_EXIT(lock_exit, "Release the lock."),
    FT_WITHIN(lock_within),
    FT_AT_FORK_REINIT(ft_exclusive_reinit_method, FT_FREE_TEXT),
    FT_METHODS_END,
};

static PyType_Slot slots[] = {
    FT_TYPE_SLOTS(lock_doc, ft_exclusive_new, lock_init, ft_object_dealloc, lock_repr, methods),
    FT_PLAIN_TYPE_SLOTS,
    {Py_tp_getset, ft_name_getset},
    {0, NULL},
};

PyType_Spec ft_lock_spec = FT_TYPE_SPEC("Lock", struct ft_exclusive, FT_PLAIN_TYPE_FLAGS, slots);
