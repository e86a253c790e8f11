/* RLock: threading's, on the word of an IntervalLock with the default interval. */
#include "objects/args.h"
#include "objects/exclusives.h"
#include "objects/naming.h"
#include "objects/types.h"
#include "objects/within.h"

#include <limits.h>

typedef struct {
    struct ft_exclusive exclusive;
    _Atomic(unsigned long) count; /* acquisitions beyond the first: the owner's; others look */
} RLock;

static inline unsigned long
count_of(PyObject *op)
{
    return atomic_load_explicit(&((RLock *)op)->count, memory_order_relaxed);
}

static inline void
set_count(PyObject *op, unsigned long count)
{
    atomic_store_explicit(&((RLock *)op)->count, count, memory_order_relaxed);
}

unsigned long
ft_rlock_depth(PyObject *op)
{
    return count_of(op);
}

void
ft_rlock_restore(PyObject *op, unsigned long count)
{
    set_count(op, count);
}

/* ---- taking and releasing ---- */

static int
take_again(PyObject *op)
{
    if (count_of(op) == ULONG_MAX) {
        PyErr_SetString(PyExc_OverflowError, "this RLock has been acquired too often");
        return FT_FAILED;
    }
    set_count(op, count_of(op) + 1);
    return FT_ACQUIRED;
}

FT_INLINE int
take(PyObject *op, int64_t deadline)
{
    struct ft_thread *self = ft_self();
    struct ft_interval_lock *lock = ft_word_of(op);
    if (FT_UNLIKELY(self == NULL)) {
        return FT_FAILED;
    }
    if (ft_exclusive_lock_fast(lock, self)) {
        return FT_ACQUIRED;
    }
    return ft_exclusive_owned(lock, self) ? take_again(op)
                                          : ft_exclusive_lock_slow(&ft_rlock_ops, lock, self, deadline);
}

static FT_SLOW int
refuse_release(void)
{
    PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock: this thread does not hold the RLock");
    return -1;
}

FT_INLINE int
give(PyObject *op)
{
    struct ft_thread *self = ft_self();
    if (FT_UNLIKELY(self == NULL)) {
        return -1;
    }
    if (FT_UNLIKELY(!ft_exclusive_owned(ft_word_of(op), self))) {
        return refuse_release();
    }
    if (count_of(op) > 0) {
        set_count(op, count_of(op) - 1);
        return 0;
    }
    ft_exclusive_unlock(ft_word_of(op), self);
    return 0;
}

int
ft_rlock_take(PyObject *op, int64_t deadline)
{
    return take(op, deadline);
}

int
ft_rlock_give(PyObject *op)
{
    return give(op);
}

/* ---- methods ---- */

/* __enter__ too: as threading's, it takes the arguments of acquire. */
static PyObject *
rlock_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take);
}

static PyObject *
rlock_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(give(op));
}

static PyObject *
rlock_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return ft_none(give(op));
}

FT_WITHIN_METHOD(rlock_within, take, rlock_exit)

static PyObject *
rlock_reinit(PyObject *op, PyObject *unused)
{
    set_count(op, 0);
    return ft_exclusive_reinit_method(op, unused);
}

/* As CPython's lock says it, with the number of waiters added and the owner found by its id. */
static PyObject *
rlock_repr(PyObject *op)
{
    uint64_t s = atomic_load(&ft_word_of(op)->word);
    PyObject *named = ft_named(op, Py_TYPE(op)->tp_name, " object");
    if (s >> FT_OWNER_SHIFT == 0) {
        return ft_repr_free(op, "<unlocked %U owner=0 count=0 at %p>", named);
    }
    char count[32];
    PyOS_snprintf(count, sizeof count, " count=%lu", count_of(op) + 1);
    return ft_repr_owned(op, "locked %U", named, s, count, ft_waiting_for(ft_word_of(op), FT_KIND_EXCLUSIVE));
}

/* The name apart, any arguments are taken, as threading.RLock takes them. */
static int
rlock_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *name = NULL;
    if (kwargs != NULL && PyDict_GetItemStringRef(kwargs, "name", &name) < 0) {
        return -1;
    }
    Py_ssize_t meaningless = PyTuple_GET_SIZE(args) + (kwargs == NULL ? 0 : PyDict_GET_SIZE(kwargs)) - (name != NULL);
    int done = meaningless == 0 ? 0
                                : PyErr_WarnEx(PyExc_DeprecationWarning,
                                               "Passing arguments to RLock is deprecated and will be "
                                               "removed in 3.15: but for name they mean nothing",
                                               1);
    if (done == 0) {
        done = ft_name_init(op, name);
    }
    Py_XDECREF(name);
    return done;
}

/* ---- for Condition ---- */

static PyObject *
rlock_recursion_count(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(ft_exclusive_owned(ft_word_of(op), self) ? count_of(op) + 1 : 0);
}

static PyObject *
rlock_release_save(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *self = ft_self();
    if (self == NULL || (!ft_exclusive_owned(ft_word_of(op), self) && refuse_release() < 0)) {
        return NULL;
    }
    PyObject *state = Py_BuildValue("kk", count_of(op) + 1, self->ident);
    if (state != NULL) {
        set_count(op, 0);
        ft_exclusive_unlock(ft_word_of(op), self);
    }
    return state;
}

/* The owner in the state is the calling thread: no other could have released the lock. */
static PyObject *
rlock_acquire_restore(PyObject *op, PyObject *state)
{
    struct ft_thread *self = ft_self();
    unsigned long count, owner;
    if (self == NULL) {
        return NULL;
    }
    if (!PyTuple_Check(state)) {
        return PyErr_Format(PyExc_TypeError, "_acquire_restore() needs what _release_save() gave, not %T", state);
    }
    if (!PyArg_ParseTuple(state, "kk:_acquire_restore", &count, &owner)) {
        return NULL;
    }
    if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "_acquire_restore() needs what _release_save() gave: the count is 0");
        return NULL;
    }
    if (ft_self_prepare_wait(self) < 0) {
        return NULL;
    }
    if (!ft_exclusive_lock_fast(ft_word_of(op), self)) {
        ft_wait_uninterruptibly(&ft_rlock_ops, ft_word_of(op), self);
    }
    set_count(op, count - 1);
    Py_RETURN_NONE;
}

/* ---- the type ---- */

PyDoc_STRVAR(rlock_doc,
"RLock(*, name=None)\n--\n\n"
"A lock that its owner may acquire again: threading.RLock, handed over fairly.\n"
"\n"
"It is free when it has been released as often as it was acquired. name is what reports\n"
"call it: a str or None (TypeError). Other arguments mean nothing and give a\n"
"DeprecationWarning.");

static PyMethodDef methods[] = {
    FT_ACQUIRE("acquire", rlock_acquire, "Take the lock",
               "The owner gets it at once, once more."),
    FT_NOARGS("release", rlock_release,
              "Release the lock once.\n"
              "\n"
              "RuntimeError, and nothing changed, when this thread does not hold it."),
    FT_EXCLUSIVE_LOCKED,
    FT_EXCLUSIVE_ENTER(rlock_acquire),
    FT_EXIT(rlock_exit, "Release the lock once."),
    FT_WITHIN(rlock_within),
    FT_AT_FORK_REINIT(rlock_reinit, FT_FREE_TEXT),
    FT_EXCLUSIVE_IS_OWNED,
    FT_NOARGS("_recursion_count", rlock_recursion_count, "Return how often this thread has acquired the lock."),
    FT_NOARGS("_release_save", rlock_release_save,
              "Release the lock entirely and return what _acquire_restore needs (for Condition)."),
    FT_ONE_ARG("_acquire_restore", rlock_acquire_restore, "state",
               "Take the lock, waiting for it, as deep as it was before _release_save (for Condition)."),
    FT_METHODS_END,
};

static PyType_Slot slots[] = {
    FT_TYPE_SLOTS(rlock_doc, ft_exclusive_new, rlock_init, ft_object_dealloc, rlock_repr, methods),
    FT_PLAIN_TYPE_SLOTS,
    {Py_tp_getset, ft_name_getset},
    {0, NULL},
};

PyType_Spec ft_rlock_spec = FT_TYPE_SPEC("RLock", RLock, FT_PLAIN_TYPE_FLAGS, slots);
