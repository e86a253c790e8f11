/* RWReadContext and RWWriteContext: a handle on one side of a ReaderWriterLock.
 *
 * A context keeps a reference to its lock, taken once, when it is made. So a thread with a
 * context of its own reads without touching the reference count of the shared lock, which
 * is what keeps readers from scaling otherwise. A context holds no state of its own: who
 * has the lock is the lock's business. */
#include "objects/args.h"
#include "objects/lockobj.h"
#include "objects/rwtype.h"
#include "objects/types.h"
#include "core/wait.h"

typedef struct {
    PyObject_HEAD
    ReaderWriterLock *lock; /* NULL only when made by __new__ alone; else constant */
    PyObject *weakrefs;
} Context;

#define SELF(op) ((Context *)(op))
#define RW(op) (&SELF(op)->lock->rw)

static FT_SLOW PyObject *
refuse_unmade(PyObject *op)
{
    return PyErr_Format(PyExc_RuntimeError,
                        "this %s was made by __new__ alone and has no lock; call its __init__ "
                        "with a ReaderWriterLock",
                        ft_type_name(op));
}

/* ---- making ---- */

/* Whether this is a ReaderWriterLock or of a subclass; -1 with an exception set. The type
 * itself is told by its deallocator, which no other type has; that spares the common case
 * the way to the module's state. */
static inline int
is_rw_lock(PyObject *op, PyObject *lock)
{
    if (FT_LIKELY(Py_TYPE(lock)->tp_dealloc == ft_rw_dealloc)) {
        return 1;
    }
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    return state == NULL ? -1 : PyObject_TypeCheck(lock, state->rw_lock);
}

static inline int
set_lock(PyObject *op, PyObject *lock)
{
    int suitable = is_rw_lock(op, lock);
    if (FT_UNLIKELY(suitable <= 0)) {
        if (suitable == 0) {
            PyErr_Format(PyExc_TypeError, "%s needs a ReaderWriterLock, not %T", ft_type_name(op), lock);
        }
        return -1;
    }
    if (SELF(op)->lock != NULL) {
        PyErr_Format(PyExc_RuntimeError, "this %s has its lock already; make another one",
                     ft_type_name(op));
        return -1;
    }
    SELF(op)->lock = (ReaderWriterLock *)Py_NewRef(lock);
    return 0;
}

static PyObject *
context_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return type->tp_alloc(type, 0);
}

static int
context_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", NULL};
    PyObject *lock;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &lock) ? set_lock(op, lock) : -1;
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
    if (op != NULL && set_lock(op, args[0]) < 0) {
        Py_CLEAR(op);
    }
    return op;
}

static int
context_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(SELF(op)->lock);
    return 0;
}

static void
context_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (SELF(op)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    Py_XDECREF(SELF(op)->lock);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- both sides ---- */

/* What differs between the two sides. */
struct side {
    int (*take)(struct ft_rw *, int64_t);
    int (*give)(struct ft_rw *);
    int (*retake)(struct ft_rw *);
};

static const struct side reading = {ft_rw_read, ft_rw_unread, ft_rw_reread};
static const struct side writing = {ft_rw_write, ft_rw_unwrite, ft_rw_rewrite};

static inline PyObject *
enter(PyObject *op, const struct side *side)
{
    if (FT_UNLIKELY(SELF(op)->lock == NULL)) {
        return refuse_unmade(op);
    }
    return FT_LIKELY(side->take(RW(op), FT_FOREVER) > 0) ? Py_NewRef(op) : NULL;
}

static inline PyObject *
leave(PyObject *op, const struct side *side)
{
    if (FT_UNLIKELY(SELF(op)->lock == NULL)) {
        return refuse_unmade(op);
    }
    return FT_LIKELY(side->give(RW(op)) > 0) ? Py_None : NULL;
}

static inline PyObject *
acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
        const struct side *side)
{
    int64_t deadline = FT_FOREVER;
    if (FT_UNLIKELY(SELF(op)->lock == NULL)) {
        return refuse_unmade(op);
    }
    if (FT_UNLIKELY(nargs != 0 || kwnames != NULL)
        && ft_parse_acquire(args, nargs, kwnames, &deadline) < 0) {
        return NULL;
    }
    int outcome = side->take(RW(op), deadline);
    return FT_UNLIKELY(outcome < 0) ? NULL : PyBool_FromLong(outcome);
}

static inline PyObject *
retake(PyObject *op, const struct side *side)
{
    if (FT_UNLIKELY(SELF(op)->lock == NULL)) {
        return refuse_unmade(op);
    }
    return side->retake(RW(op)) > 0 ? Py_None : NULL;
}

#define UNUSED_ARGS PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs)

#define SIDE(name, side)                                                                          \
    static PyObject *name##_enter(PyObject *op, PyObject *Py_UNUSED(u)) { return enter(op, &side); } \
    static PyObject *name##_exit(PyObject *op, UNUSED_ARGS) { return leave(op, &side); }          \
    static PyObject *name##_release(PyObject *op, PyObject *Py_UNUSED(u)) { return leave(op, &side); } \
    static PyObject *name##_restore(PyObject *op, PyObject *Py_UNUSED(state)) { return retake(op, &side); } \
    static PyObject *name##_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs,        \
                                    PyObject *kwnames)                                            \
    {                                                                                             \
        return acquire(op, args, nargs, kwnames, &side);                                          \
    }

SIDE(read, reading)
SIDE(write, writing)

static PyObject *
read_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return SELF(op)->lock == NULL ? refuse_unmade(op)
                                  : PyBool_FromLong(ft_rw_readers(RW(op)) > 0);
}

static PyObject *
write_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return SELF(op)->lock == NULL
               ? refuse_unmade(op)
               : PyBool_FromLong((ft_rw_load(RW(op)) & FT_RW_WRITER) != 0);
}

static PyObject *
read_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *thread = ft_self();
    if (SELF(op)->lock == NULL) {
        return refuse_unmade(op);
    }
    return thread == NULL ? NULL : PyBool_FromLong(ft_rw_my_reads(RW(op), thread) > 0);
}

static PyObject *
write_is_owned(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *thread = ft_self();
    if (SELF(op)->lock == NULL) {
        return refuse_unmade(op);
    }
    return thread == NULL ? NULL : PyBool_FromLong(ft_rw_writes(ft_rw_load(RW(op)), thread));
}

static PyObject *
context_get_lock(PyObject *op, void *Py_UNUSED(closure))
{
    return SELF(op)->lock == NULL ? refuse_unmade(op) : Py_NewRef(SELF(op)->lock);
}

static PyObject *
context_repr(PyObject *op)
{
    if (SELF(op)->lock == NULL) {
        return PyUnicode_FromFormat("<%s without a lock at %p>", ft_type_name(op), op);
    }
    return PyUnicode_FromFormat("<%s of %R at %p>", ft_type_name(op), SELF(op)->lock, op);
}

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

#define ACQUIRE_TEXT                                                                        \
    "\n"                                                                                    \
    "timeout is in seconds; -1 waits for as long as it takes. False when blocking is\n"     \
    "False or the time is over and the lock could not be had: nothing has changed.\n"       \
    "ValueError, OverflowError and RuntimeError as for the lock's own acquire methods."

PyDoc_STRVAR(read_acquire_doc,
"acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
"Take a read lock and return True, or return False.\n" ACQUIRE_TEXT);
PyDoc_STRVAR(write_acquire_doc,
"acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
"Take the write lock and return True, or return False.\n" ACQUIRE_TEXT);
PyDoc_STRVAR(release_doc,
"release($self, /)\n--\n\n"
"Release what acquire() took; RuntimeError when this thread does not hold it.");
PyDoc_STRVAR(enter_doc, "__enter__($self, /)\n--\n\nAcquire, and return the context.");
PyDoc_STRVAR(exit_doc,
"__exit__($self, exc_type=None, exc_value=None, traceback=None, /)\n--\n\nRelease.");
PyDoc_STRVAR(read_locked_doc,
"locked($self, /)\n--\n\nReturn whether anybody reads; it may be outdated at once.");
PyDoc_STRVAR(write_locked_doc,
"locked($self, /)\n--\n\nReturn whether a writer holds the lock; it may be outdated at once.");
PyDoc_STRVAR(is_owned_doc,
"_is_owned($self, /)\n--\n\nReturn whether this thread holds this side of the lock (for "
"threading.Condition).");

PyDoc_STRVAR(save_doc,
"_release_save($self, /)\n--\n\nRelease (for threading.Condition); RuntimeError when this thread "
"does not hold it.");
PyDoc_STRVAR(restore_doc,
"_acquire_restore($self, state, /)\n--\n\n"
"Acquire again after _release_save (for threading.Condition); signal handlers run afterwards.");

#define FASTCALL(f) ((PyCFunction)(void (*)(void))(f))

#define METHODS(name)                                                                          \
    static PyMethodDef name##_methods[] = {                                                    \
        {"acquire", FASTCALL(name##_acquire), METH_FASTCALL | METH_KEYWORDS, name##_acquire_doc}, \
        {"release", name##_release, METH_NOARGS, release_doc},                                 \
        {"locked", name##_locked, METH_NOARGS, name##_locked_doc},                             \
        {"__enter__", name##_enter, METH_NOARGS, enter_doc},                                   \
        {"__exit__", FASTCALL(name##_exit), METH_FASTCALL, exit_doc},                          \
        {"_is_owned", name##_is_owned, METH_NOARGS, is_owned_doc},                             \
        {"_release_save", name##_release, METH_NOARGS, save_doc},                              \
        {"_acquire_restore", name##_restore, METH_O, restore_doc},                             \
        FT_REFUSE_PICKLE_METHOD,                                                               \
        {NULL, NULL, 0, NULL},                                                                 \
    };

METHODS(read)
METHODS(write)

static PyGetSetDef getset[] = {
    {"lock", context_get_lock, NULL, PyDoc_STR("The ReaderWriterLock that this is a handle on."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Context, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define TYPE(prefix, Name)                                                                       \
    static PyType_Slot prefix##_slots[] = {                                                      \
        {Py_tp_doc, (void *)prefix##_doc},                                                       \
        {Py_tp_new, context_new},                                                              \
        {Py_tp_init, context_init},                                                            \
        {Py_tp_dealloc, context_dealloc},                                                      \
        {Py_tp_traverse, context_traverse},                                                    \
        {Py_tp_repr, context_repr},                                                            \
        {Py_tp_methods, prefix##_methods},                                                       \
        {Py_tp_getset, getset},                                                                \
        {Py_tp_members, members},                                                              \
        {0, NULL},                                                                             \
    };                                                                                         \
    PyType_Spec ft_##prefix##_context_spec = {                                                   \
        .name = "ft_utils.synchronization." Name,                                              \
        .basicsize = sizeof(Context),                                                          \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC                  \
                 | Py_TPFLAGS_IMMUTABLETYPE,                                                   \
        .slots = prefix##_slots,                                                                 \
    };

TYPE(read, "RWReadContext")
TYPE(write, "RWWriteContext")
