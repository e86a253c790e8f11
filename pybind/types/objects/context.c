/* RWReadContext, RWWriteContext and RWUpgradeContext: a handle on one side of a ReaderWriterLock.
 *
 * A context keeps a reference to its lock, taken once, when it is made. So a thread with a
 * context of its own reads without touching the reference count of the shared lock, which
 * is what keeps readers from scaling otherwise. A context holds no state of its own: which
 * threads have the lock is the lock's business. */
#include "objects/args.h"
#include "objects/rwtype.h"
#include "objects/takes.h"
#include "objects/types.h"
#include "objects/within.h"

typedef struct {
    FT_OBJECT_HEAD
    _Atomic(ReaderWriterLock *) lock; /* NULL only when made by __new__ alone; else constant */
} Context;

/* The lock, borrowed; it was made long before it is found here. */
static inline ReaderWriterLock *
lock_of(PyObject *op)
{
    return atomic_load_explicit(&((Context *)op)->lock, memory_order_relaxed);
}

/* -1 with an exception set: there is no lock. */
static FT_SLOW int
refuse_unmade(PyObject *op)
{
    PyErr_Format(PyExc_RuntimeError,
                 "this %s was made by __new__ alone and has no lock; call its __init__ "
                 "with a ReaderWriterLock",
                 ft_type_name(op));
    return -1;
}

PyObject *
ft_context_lock(PyObject *op)
{
    ReaderWriterLock *lock = lock_of(op);
    return lock != NULL || refuse_unmade(op) == 0 ? (PyObject *)lock : NULL;
}

/* ---- making ---- */

/* Whether this is a ReaderWriterLock or of a subclass; TypeError when it is not. The type
 * itself is told by its deallocator, which no other type has; that spares the common case
 * the way to the module's state. */
static inline bool
is_suitable(PyObject *op, PyObject *lock)
{
    if (FT_LIKELY(Py_TYPE(lock)->tp_dealloc == ft_rw_dealloc)) {
        return true;
    }
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    if (state != NULL && !PyObject_TypeCheck(lock, state->rw_lock)) {
        PyErr_Format(PyExc_TypeError, "%s needs a ReaderWriterLock, not %T", ft_type_name(op), lock);
    }
    return !PyErr_Occurred();
}

static int
context_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", NULL};
    PyObject *lock;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &lock) || !is_suitable(op, lock)) {
        return -1;
    }
    ReaderWriterLock *none = NULL; /* two threads may call this at the same time */
    if (!atomic_compare_exchange_strong(&((Context *)op)->lock, &none, (ReaderWriterLock *)Py_NewRef(lock))) {
        Py_DECREF(lock);
        PyErr_Format(PyExc_RuntimeError, "this %s has its lock already; make another one", ft_type_name(op));
        return -1;
    }
    return 0;
}

/* RWReadContext(lock) in a with statement is made anew each time: without an argument
 * tuple it costs half. Subclasses do not inherit this. */
PyObject *
ft_context_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyTypeObject *tp = (PyTypeObject *)type;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    Py_ssize_t nkw = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    bool named = nkw == 1 && PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(kwnames, 0), "lock");
    if (nargs + nkw != 1 || (nkw == 1 && !named)) {
        return PyErr_Format(PyExc_TypeError, "%s() takes one argument, lock", tp->tp_name);
    }
    PyObject *op = tp->tp_alloc(tp, 0);
    if (op == NULL || FT_UNLIKELY(!is_suitable(op, args[0]))) {
        Py_XDECREF(op);
        return NULL;
    }
    atomic_init(&((Context *)op)->lock, (ReaderWriterLock *)Py_NewRef(args[0]));
    return op;
}

static int
context_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(lock_of(op));
    return 0;
}

static void
context_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(lock_of(op));
    ft_object_free(op);
}

/* ---- the read side ---- */

FT_INLINE int
take_read(PyObject *op, int64_t deadline)
{
    ReaderWriterLock *lock = lock_of(op);
    return FT_LIKELY(lock != NULL) ? ft_rw_read(&lock->rw, deadline) : refuse_unmade(op);
}

FT_INLINE int
give_read(PyObject *op)
{
    ReaderWriterLock *lock = lock_of(op);
    return FT_LIKELY(lock != NULL) ? ft_rw_unread(&lock->rw) : refuse_unmade(op);
}

static PyObject *
read_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take_read);
}

static PyObject *
read_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_enter(op, take_read);
}

static PyObject *
read_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(give_read(op));
}

static PyObject *
read_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return ft_none(give_read(op));
}

FT_WITHIN_METHOD(read_within, take_read, read_exit)

static PyObject *
read_restore(PyObject *op, PyObject *Py_UNUSED(state))
{
    ReaderWriterLock *lock = lock_of(op);
    return ft_none(lock != NULL ? ft_rw_reread(&lock->rw) : refuse_unmade(op));
}

static PyObject *
read_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReaderWriterLock *lock = lock_of(op);
    return ft_bool(lock != NULL ? ft_rw_readers(&lock->rw) > 0 : refuse_unmade(op));
}

static PyObject *
read_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReaderWriterLock *lock = lock_of(op);
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return NULL;
    }
    return ft_bool(lock != NULL ? ft_rw_my_reads(&lock->rw, thread) > 0 : refuse_unmade(op));
}

/* ---- the write side ---- */

FT_INLINE int
take_write(PyObject *op, int64_t deadline)
{
    ReaderWriterLock *lock = lock_of(op);
    return FT_LIKELY(lock != NULL) ? ft_rw_write(&lock->rw, deadline) : refuse_unmade(op);
}

FT_INLINE int
give_write(PyObject *op)
{
    ReaderWriterLock *lock = lock_of(op);
    return FT_LIKELY(lock != NULL) ? ft_rw_unwrite(&lock->rw) : refuse_unmade(op);
}

static PyObject *
write_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take_write);
}

static PyObject *
write_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_enter(op, take_write);
}

static PyObject *
write_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(give_write(op));
}

static PyObject *
write_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return ft_none(give_write(op));
}

FT_WITHIN_METHOD(write_within, take_write, write_exit)

/* What is taken back after the wait is a write lock that nothing can be turned back from. */
static PyObject *
write_save(PyObject *op, PyObject *unused)
{
    ReaderWriterLock *lock = lock_of(op);
    struct ft_thread *thread = ft_self();
    if (thread != NULL && lock != NULL && ft_rw_has_gate(&lock->rw, thread)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a Condition over the write side cannot give up a lock that this thread reads upgradably; "
                        "make it over an RWUpgradeContext, or downgrade() first");
        return NULL;
    }
    return thread == NULL ? NULL : write_release(op, unused);
}

static PyObject *
write_restore(PyObject *op, PyObject *Py_UNUSED(state))
{
    ReaderWriterLock *lock = lock_of(op);
    return ft_none(lock != NULL ? ft_rw_rewrite(&lock->rw) : refuse_unmade(op));
}

static PyObject *
write_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReaderWriterLock *lock = lock_of(op);
    return ft_bool(lock != NULL ? (ft_rw_load(&lock->rw) & FT_RW_WRITER) != 0 : refuse_unmade(op));
}

static PyObject *
write_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReaderWriterLock *lock = lock_of(op);
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return NULL;
    }
    return ft_bool(lock != NULL ? ft_rw_writes(ft_rw_load(&lock->rw), thread) : refuse_unmade(op));
}

/* ---- upgradable reading ---- */

static int
take_upgradable(PyObject *op, int64_t deadline)
{
    ReaderWriterLock *lock = lock_of(op);
    return FT_LIKELY(lock != NULL) ? ft_rw_upgradable(&lock->rw, deadline) : refuse_unmade(op);
}

static int
give_upgradable(PyObject *op)
{
    ReaderWriterLock *lock = lock_of(op);
    return FT_LIKELY(lock != NULL) ? ft_rw_leave_upgradable(&lock->rw) : refuse_unmade(op);
}

static int
take_upgrade(PyObject *op, int64_t deadline)
{
    ReaderWriterLock *lock = lock_of(op);
    return FT_LIKELY(lock != NULL) ? ft_rw_upgrade(&lock->rw, deadline) : refuse_unmade(op);
}

static PyObject *
upgrade_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take_upgradable);
}

static PyObject *
upgrade_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_enter(op, take_upgradable);
}

static PyObject *
upgrade_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(give_upgradable(op));
}

static PyObject *
upgrade_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return ft_none(give_upgradable(op));
}

FT_WITHIN_METHOD(upgrade_within, take_upgradable, upgrade_exit)

static PyObject *
upgrade_upgrade(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take_upgrade);
}

static PyObject *
upgrade_downgrade(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReaderWriterLock *lock = lock_of(op);
    return ft_none(lock != NULL ? ft_rw_downgrade_to_upgradable(&lock->rw) : refuse_unmade(op));
}

static PyObject *
upgrade_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReaderWriterLock *lock = lock_of(op);
    return ft_bool(lock != NULL ? ft_exclusive_locked(&lock->rw.lock.gate) : refuse_unmade(op));
}

static PyObject *
upgrade_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ReaderWriterLock *lock = lock_of(op);
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return NULL;
    }
    return ft_bool(lock != NULL ? ft_rw_has_gate(&lock->rw, thread) : refuse_unmade(op));
}

/* ---- all sides ---- */

static PyObject *
context_get_lock(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *lock = (PyObject *)lock_of(op);
    return lock != NULL || refuse_unmade(op) == 0 ? Py_NewRef(lock) : NULL;
}

static PyObject *
context_repr(PyObject *op)
{
    if (lock_of(op) == NULL) {
        return PyUnicode_FromFormat("<%s without a lock at %p>", ft_type_name(op), op);
    }
    return PyUnicode_FromFormat("<%s of %R at %p>", ft_type_name(op), lock_of(op), op);
}

/* ---- the types ---- */

PyDoc_STRVAR(read_doc,
"RWReadContext(lock)\n--\n\n"
"A reusable handle on the read side of a ReaderWriterLock; TypeError for anything else.\n"
"\n"
"In a with block it holds a read lock. A thread that keeps a handle of its own reads\n"
"without touching memory that it shares with other readers.");

PyDoc_STRVAR(write_doc,
"RWWriteContext(lock)\n--\n\n"
"A reusable handle on the write side of a ReaderWriterLock; TypeError for anything else.\n"
"\n"
"In a with block it holds the write lock.");

PyDoc_STRVAR(upgrade_doc,
"RWUpgradeContext(lock)\n--\n\n"
"A reusable handle on upgradable reading of a ReaderWriterLock; TypeError for anything else.\n"
"\n"
"In a with block it holds the upgradable read lock, one thread at a time beside any number of\n"
"readers. upgrade() turns that into the write lock with no other writer in between. The end of\n"
"the block releases whichever it is by then.");

#define RAISES_TEXT "RuntimeError as for the lock's own acquire methods."
#define RELEASE_TEXT "Release what acquire() took; RuntimeError when this thread does not hold it."
#define ENTER_TEXT "Acquire, and return the context."
#define SAVE_TEXT "Release (for threading.Condition); RuntimeError when this thread does not hold it."
#define RESTORE_TEXT "Acquire again after _release_save (for threading.Condition); signal handlers run afterwards."

static PyMethodDef read_methods[] = {
    FT_ACQUIRE("acquire", read_acquire, "Take a read lock", RAISES_TEXT),
    FT_NOARGS("release", read_release, RELEASE_TEXT),
    FT_LOCKED(read_locked, "some thread reads"),
    FT_NOARGS("__enter__", read_enter, ENTER_TEXT),
    FT_EXIT(read_exit, "Release."),
    FT_WITHIN(read_within),
    FT_IS_OWNED(read_is_owned, "this side of the lock"),
    FT_NOARGS("_release_save", read_release, SAVE_TEXT),
    FT_ONE_ARG("_acquire_restore", read_restore, "state", RESTORE_TEXT),
    FT_METHODS_END,
};

static PyMethodDef write_methods[] = {
    FT_ACQUIRE("acquire", write_acquire, "Take the write lock", RAISES_TEXT),
    FT_NOARGS("release", write_release, RELEASE_TEXT),
    FT_LOCKED(write_locked, "a writer holds the lock"),
    FT_NOARGS("__enter__", write_enter, ENTER_TEXT),
    FT_EXIT(write_exit, "Release."),
    FT_WITHIN(write_within),
    FT_IS_OWNED(write_is_owned, "this side of the lock"),
    FT_NOARGS("_release_save", write_save, SAVE_TEXT),
    FT_ONE_ARG("_acquire_restore", write_restore, "state", RESTORE_TEXT),
    FT_METHODS_END,
};

/* A Condition goes by acquire() and release(): after its wait the lock is the upgradable one. */
static PyMethodDef upgrade_methods[] = {
    FT_ACQUIRE("acquire", upgrade_acquire, "Take the upgradable read lock", RAISES_TEXT),
    FT_NOARGS("release", upgrade_release,
              "Release what acquire() took, upgraded or not; RuntimeError when this thread does not hold it."),
    FT_LOCKED(upgrade_locked, "a thread has the upgradable read lock or has upgraded it"),
    FT_ACQUIRE("upgrade", upgrade_upgrade, "Turn the upgradable read lock into the write lock",
               UPGRADE_TEXT("release(), or the end of the block, releases")),
    FT_NOARGS("downgrade", upgrade_downgrade,
              "Turn the write lock back into the upgradable read lock, with no writer in between.\n"
              "\n"
              "RuntimeError, and nothing changed, when this thread has not upgraded."),
    FT_NOARGS("__enter__", upgrade_enter, ENTER_TEXT),
    FT_EXIT(upgrade_exit, "Release, upgraded or not."),
    FT_WITHIN(upgrade_within),
    FT_IS_OWNED(upgrade_is_owned, "the upgradable read lock, upgraded or not,"),
    FT_METHODS_END,
};

static PyGetSetDef getset[] = {
    FT_GETTER("lock", context_get_lock, "The ReaderWriterLock that this is a handle on."),
    {0},
};

static PyType_Slot read_slots[] = {
    FT_TYPE_SLOTS(read_doc, PyType_GenericNew, context_init, context_dealloc, context_repr, read_methods),
    {Py_tp_members, ft_members},
    {Py_tp_traverse, context_traverse},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Slot write_slots[] = {
    FT_TYPE_SLOTS(write_doc, PyType_GenericNew, context_init, context_dealloc, context_repr, write_methods),
    {Py_tp_members, ft_members},
    {Py_tp_traverse, context_traverse},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Slot upgrade_slots[] = {
    FT_TYPE_SLOTS(upgrade_doc, PyType_GenericNew, context_init, context_dealloc, context_repr, upgrade_methods),
    {Py_tp_members, ft_members},
    {Py_tp_traverse, context_traverse},
    {Py_tp_getset, getset},
    {0, NULL},
};

#define TYPE_FLAGS (FT_LOCK_TYPE_FLAGS | Py_TPFLAGS_HAVE_GC)

PyType_Spec ft_read_context_spec = FT_TYPE_SPEC("RWReadContext", Context, TYPE_FLAGS, read_slots);
PyType_Spec ft_write_context_spec = FT_TYPE_SPEC("RWWriteContext", Context, TYPE_FLAGS, write_slots);
PyType_Spec ft_upgrade_context_spec = FT_TYPE_SPEC("RWUpgradeContext", Context, TYPE_FLAGS, upgrade_slots);
