/* Lock and RLock: threading's, on the word of an IntervalLock with the default interval. */
#include "objects/args.h"
#include "locks/exclusive.h"
#include "objects/family.h"
#include "objects/lockobj.h"
#include "objects/types.h"

#include <limits.h>

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_interval_lock lock;
} Lock;

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_interval_lock lock;
    _Atomic(unsigned long) count; /* acquisitions beyond the first: the owner's; others look */
} RLock;

_Static_assert(offsetof(Lock, lock.word) == FT_WORD_OFFSET, "snapshot() counts on it");
_Static_assert(offsetof(RLock, lock.word) == FT_WORD_OFFSET, "snapshot() counts on it");

#define LOCK(op) ((Lock *)(op))
#define RLOCK(op) ((RLock *)(op))

static inline unsigned long
count_of(RLock *self)
{
    return atomic_load_explicit(&self->count, memory_order_relaxed);
}

static inline void
set_count(RLock *self, unsigned long count)
{
    atomic_store_explicit(&self->count, count, memory_order_relaxed);
}

static PyObject *
new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        LOCK(op)->lock.interval = FT_DEFAULT_INTERVAL;
    }
    return op;
}

static bool
none_given(PyObject *args, PyObject *kwargs)
{
    return PyTuple_GET_SIZE(args) == 0 && (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0);
}

static int
lock_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    if (!none_given(args, kwargs)) {
        PyErr_Format(PyExc_TypeError, "%s() takes no arguments", ft_type_name(op));
        return -1;
    }
    return 0;
}

static int
rlock_init(PyObject *Py_UNUSED(op), PyObject *args, PyObject *kwargs)
{
    return none_given(args, kwargs)
               ? 0
               : PyErr_WarnEx(PyExc_DeprecationWarning, "Passing arguments to RLock is deprecated and will be "
                                                        "removed in 3.15: they mean nothing", 1);
}

/* ---- taking and releasing ---- */

static FT_SLOW int
lock_slow(const struct ft_wait_ops *ops, struct ft_interval_lock *lock, struct ft_thread *self,
          int64_t deadline)
{
    if (ft_exclusive_barge(lock, self)) {
        return FT_ACQUIRED;
    }
    return deadline == FT_NO_WAIT ? FT_TIMED_OUT : ft_wait(ops, lock, self, deadline);
}

int
ft_lock_take(PyObject *op, int64_t deadline)
{
    struct ft_thread *self = ft_self();
    if (FT_UNLIKELY(self == NULL)) {
        return FT_FAILED;
    }
    return ft_exclusive_lock_fast(&LOCK(op)->lock, self) ? FT_ACQUIRED
                                                         : lock_slow(&ft_anybodys_ops, &LOCK(op)->lock, self, deadline);
}

static int
rlock_again(RLock *self)
{
    if (count_of(self) == ULONG_MAX) {
        PyErr_SetString(PyExc_OverflowError, "this RLock has been acquired too often");
        return FT_FAILED;
    }
    set_count(self, count_of(self) + 1);
    return FT_ACQUIRED;
}

int
ft_rlock_take(PyObject *op, int64_t deadline)
{
    struct ft_thread *self = ft_self();
    struct ft_interval_lock *lock = &RLOCK(op)->lock;
    if (FT_UNLIKELY(self == NULL)) {
        return FT_FAILED;
    }
    if (ft_exclusive_lock_fast(lock, self)) {
        return FT_ACQUIRED;
    }
    return ft_exclusive_owned(lock, self) ? rlock_again(RLOCK(op))
                                          : lock_slow(&ft_rlock_ops, lock, self, deadline);
}

int
ft_lock_give(PyObject *op)
{
    if (FT_UNLIKELY(!ft_exclusive_unlock_any(&LOCK(op)->lock))) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "release unlocked lock: nobody holds this Lock");
        }
        return -1;
    }
    return 0;
}

int
ft_rlock_give(PyObject *op)
{
    struct ft_thread *self = ft_self();
    struct ft_interval_lock *lock = &RLOCK(op)->lock;
    if (FT_UNLIKELY(self == NULL)) {
        return -1;
    }
    if (FT_UNLIKELY(!ft_exclusive_owned(lock, self))) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot release un-acquired lock: this thread does not hold the RLock");
        return -1;
    }
    if (count_of(RLOCK(op)) > 0) {
        set_count(RLOCK(op), count_of(RLOCK(op)) - 1);
        return 0;
    }
    ft_exclusive_unlock(lock, self);
    return 0;
}

/* ---- methods ---- */

#define ACQUIRE(name, take)                                                                     \
    static PyObject *name##_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs,      \
                                    PyObject *kwnames)                                          \
    {                                                                                           \
        int64_t deadline = FT_FOREVER;                                                          \
        if (FT_UNLIKELY(nargs != 0 || kwnames != NULL)                                          \
            && ft_parse_acquire(args, nargs, kwnames, &deadline) < 0) {                         \
            return NULL;                                                                        \
        }                                                                                       \
        int outcome = take(op, deadline);                                                       \
        return FT_UNLIKELY(outcome < 0) ? NULL : PyBool_FromLong(outcome);                      \
    }                                                                                           \
    /* threading's take the arguments of acquire, as nobody who writes `with` gives any. */      \
    static PyObject *name##_enter(PyObject *op, PyObject *const *args, Py_ssize_t nargs,        \
                                  PyObject *kwnames)                                            \
    {                                                                                           \
        if (FT_UNLIKELY(nargs != 0 || kwnames != NULL)) {                                       \
            return name##_acquire(op, args, nargs, kwnames);                                    \
        }                                                                                       \
        return FT_LIKELY(take(op, FT_FOREVER) > 0) ? Py_True : NULL;                            \
    }

ACQUIRE(lock, ft_lock_take)
ACQUIRE(rlock, ft_rlock_take)

static PyObject *
lock_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return FT_LIKELY(ft_lock_give(op) == 0) ? Py_None : NULL;
}

static PyObject *
lock_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return FT_LIKELY(ft_lock_give(op) == 0) ? Py_None : NULL;
}

static PyObject *
rlock_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return FT_LIKELY(ft_rlock_give(op) == 0) ? Py_None : NULL;
}

static PyObject *
rlock_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return FT_LIKELY(ft_rlock_give(op) == 0) ? Py_None : NULL;
}

static PyObject *
locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_exclusive_locked(&LOCK(op)->lock));
}

static PyObject *
lock_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    atomic_store(&LOCK(op)->lock.word, 0);
    Py_RETURN_NONE;
}

static PyObject *
rlock_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    set_count(RLOCK(op), 0);
    atomic_store(&RLOCK(op)->lock.word, 0);
    Py_RETURN_NONE;
}

/* As CPython's locks say it, with the owner and who waits added: "<locked … object owner=…
 * waiters=… at 0x…>". count is an RLock's: NULL for a Lock, which does not tell it. */
static PyObject *
repr(PyObject *op, const unsigned long *count)
{
    char counted[40] = "";
    uint64_t s = atomic_load(&LOCK(op)->lock.word);
    bool held = s >> FT_OWNER_SHIFT != 0;
    if (count != NULL) {
        PyOS_snprintf(counted, sizeof counted, "%s count=%lu", held ? "" : " owner=0", held ? *count + 1 : 0);
    }
    if (!held) {
        return PyUnicode_FromFormat("<unlocked %s object%s at %p>", Py_TYPE(op)->tp_name, counted, op);
    }
    PyObject *owner = ft_repr_owner(s);
    if (owner == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("<locked %s object owner=%U%s waiters=%lld at %p>",
                                          Py_TYPE(op)->tp_name, owner, counted,
                                          (long long)ft_waiting_for(&LOCK(op)->lock, FT_KIND_EXCLUSIVE), op);
    Py_DECREF(owner);
    return text;
}

static PyObject *
lock_repr(PyObject *op)
{
    return repr(op, NULL);
}

static PyObject *
rlock_repr(PyObject *op)
{
    unsigned long count = count_of(RLOCK(op));
    return repr(op, &count);
}

/* ---- RLock for Condition ---- */

static PyObject *
rlock_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *self = ft_self();
    return self == NULL ? NULL : PyBool_FromLong(ft_exclusive_owned(&RLOCK(op)->lock, self));
}

static PyObject *
rlock_recursion_count(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return NULL;
    }
    bool mine = ft_exclusive_owned(&RLOCK(op)->lock, self);
    return PyLong_FromUnsignedLong(mine ? count_of(RLOCK(op)) + 1 : 0);
}

unsigned long
ft_rlock_depth(PyObject *op)
{
    return count_of(RLOCK(op));
}

void
ft_rlock_restore(PyObject *op, unsigned long count)
{
    set_count(RLOCK(op), count);
}

static PyObject *
rlock_release_save(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return NULL;
    }
    if (!ft_exclusive_owned(&RLOCK(op)->lock, self)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot release un-acquired lock: this thread does not hold the RLock");
        return NULL;
    }
    PyObject *state = Py_BuildValue("kk", ft_rlock_depth(op) + 1, self->ident);
    if (state != NULL) {
        ft_rlock_restore(op, 0);
        ft_exclusive_unlock(&RLOCK(op)->lock, self);
    }
    return state;
}

/* The owner in the state is the calling thread: who else could have released the lock? */
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
    if (!ft_exclusive_lock_fast(&RLOCK(op)->lock, self)) {
        ft_wait_uninterruptibly(&ft_rlock_ops, &RLOCK(op)->lock, self);
    }
    ft_rlock_restore(op, count - 1);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(lock_doc,
"Lock()\n--\n\n"
"A mutual exclusion lock: threading.Lock, handed over fairly.\n"
"\n"
"Any thread may release it. Under contention it behaves as an IntervalLock with the\n"
"default interval: running threads may go first, but nobody starves.");

PyDoc_STRVAR(rlock_doc,
"RLock()\n--\n\n"
"A lock that its owner may acquire again: threading.RLock, handed over fairly.\n"
"\n"
"It is free when it has been released as often as it was acquired. Arguments mean nothing\n"
"and give a DeprecationWarning.");

PyDoc_STRVAR(lock_acquire_doc,
"acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
"Take the lock and return True, or return False.\n"
"\n"
"timeout is in seconds; -1 waits for as long as it takes. With blocking=False, or when\n"
"the time is over, False: nothing has changed, and it says no more than that the lock\n"
"was not free at some moment. ValueError for another negative timeout, and for a timeout\n"
"with blocking=False; OverflowError for one above threading.TIMEOUT_MAX. An exception\n"
"from a signal handler ends the wait; the lock is then not taken.");

PyDoc_STRVAR(rlock_acquire_doc,
"acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
"Take the lock and return True, or return False.\n"
"\n"
"The owner gets it at once, once more. Else as Lock.acquire: timeout is in seconds, -1\n"
"waits for as long as it takes; ValueError and OverflowError for bad ones.");

PyDoc_STRVAR(lock_release_doc,
"release($self, /)\n--\n\n"
"Release the lock, from any thread.\n"
"\n"
"RuntimeError, and nothing changed, when nobody holds it.");

PyDoc_STRVAR(rlock_release_doc,
"release($self, /)\n--\n\n"
"Release the lock once.\n"
"\n"
"RuntimeError, and nothing changed, when this thread does not hold it.");

PyDoc_STRVAR(locked_doc,
"locked($self, /)\n--\n\n"
"Return whether some thread holds the lock; it may be outdated at once.");
PyDoc_STRVAR(acquire_lock_doc,
"acquire_lock($self, /, blocking=True, timeout=-1)\n--\n\n"
"An obsolete name of acquire(); timeout is in seconds.");
PyDoc_STRVAR(release_lock_doc, "release_lock($self, /)\n--\n\nAn obsolete name of release().");
PyDoc_STRVAR(locked_lock_doc, "locked_lock($self, /)\n--\n\nAn obsolete name of locked().");
PyDoc_STRVAR(enter_doc, "__enter__($self, /)\n--\n\nAcquire the lock and return True.");
PyDoc_STRVAR(exit_doc,
"__exit__($self, exc_type=None, exc_value=None, traceback=None, /)\n--\n\nRelease the lock.");
PyDoc_STRVAR(reinit_doc,
"_at_fork_reinit($self, /)\n--\n\n"
"Make the lock free, in a forked child, whoever held it (for os.register_at_fork).");
PyDoc_STRVAR(is_owned_doc,
"_is_owned($self, /)\n--\n\nReturn whether this thread holds the lock (for Condition).");
PyDoc_STRVAR(recursion_doc,
"_recursion_count($self, /)\n--\n\nReturn how often this thread has acquired the lock.");
PyDoc_STRVAR(save_doc,
"_release_save($self, /)\n--\n\n"
"Release the lock entirely and return what _acquire_restore needs (for Condition).");
PyDoc_STRVAR(restore_doc,
"_acquire_restore($self, state, /)\n--\n\n"
"Take the lock, waiting for it, as deep as it was before _release_save (for Condition).");

static PyMethodDef lock_methods[] = {
    {"acquire", FT_FASTCALL(lock_acquire), METH_FASTCALL | METH_KEYWORDS, lock_acquire_doc},
    {"release", lock_release, METH_NOARGS, lock_release_doc},
    {"locked", locked, METH_NOARGS, locked_doc},
    {"acquire_lock", FT_FASTCALL(lock_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_lock_doc},
    {"release_lock", lock_release, METH_NOARGS, release_lock_doc},
    {"locked_lock", locked, METH_NOARGS, locked_lock_doc},
    {"__enter__", FT_FASTCALL(lock_enter), METH_FASTCALL | METH_KEYWORDS, enter_doc},
    {"__exit__", FT_FASTCALL(lock_exit), METH_FASTCALL, exit_doc},
    {"_at_fork_reinit", lock_reinit, METH_NOARGS, reinit_doc},
    FT_REFUSE_PICKLE_METHOD,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef rlock_methods[] = {
    {"acquire", FT_FASTCALL(rlock_acquire), METH_FASTCALL | METH_KEYWORDS, rlock_acquire_doc},
    {"release", rlock_release, METH_NOARGS, rlock_release_doc},
    {"locked", locked, METH_NOARGS, locked_doc},
    {"__enter__", FT_FASTCALL(rlock_enter), METH_FASTCALL | METH_KEYWORDS, enter_doc},
    {"__exit__", FT_FASTCALL(rlock_exit), METH_FASTCALL, exit_doc},
    {"_at_fork_reinit", rlock_reinit, METH_NOARGS, reinit_doc},
    {"_is_owned", rlock_is_owned, METH_NOARGS, is_owned_doc},
    {"_recursion_count", rlock_recursion_count, METH_NOARGS, recursion_doc},
    {"_release_save", rlock_release_save, METH_NOARGS, save_doc},
    {"_acquire_restore", rlock_acquire_restore, METH_O, restore_doc},
    FT_REFUSE_PICKLE_METHOD,
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Lock, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define SLOTS(prefix)                                                  \
    static PyType_Slot prefix##_slots[] = {                            \
        {Py_tp_doc, (void *)prefix##_doc},                             \
        {Py_tp_new, new},                                              \
        {Py_tp_init, prefix##_init},                                   \
        {Py_tp_dealloc, ft_object_dealloc},                            \
        {Py_tp_repr, prefix##_repr},                                   \
        {Py_tp_methods, prefix##_methods},                             \
        {Py_tp_members, members},                                      \
        {0, NULL},                                                     \
    };

SLOTS(lock)
SLOTS(rlock)

PyType_Spec ft_lock_spec = {
    .name = "ft_utils.synchronization.Lock",
    .basicsize = sizeof(Lock),
    .flags = FT_LOCK_TYPE_FLAGS,
    .slots = lock_slots,
};

PyType_Spec ft_rlock_spec = {
    .name = "ft_utils.synchronization.RLock",
    .basicsize = sizeof(RLock),
    .flags = FT_LOCK_TYPE_FLAGS,
    .slots = rlock_slots,
};
