/* The Python type ReaderWriterLock. The operations are in rwlock.c and rwread.c. */
#include "objects/args.h"
#include "objects/lockobj.h"
#include "objects/rwtype.h"
#include "objects/types.h"
#include "core/wait.h"

_Static_assert(offsetof(ReaderWriterLock, rw.lock.word) == FT_WORD_OFFSET, "snapshot() counts on it");

#define SELF(op) (&((ReaderWriterLock *)(op))->rw)

static inline PyObject *
none_or_error(int outcome)
{
    return FT_LIKELY(outcome >= 0) ? Py_None : NULL;
}

static PyObject *
rw_lock_read(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_error(ft_rw_read(SELF(op), FT_FOREVER));
}

static PyObject *
rw_unlock_read(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_error(ft_rw_unread(SELF(op)));
}

static PyObject *
rw_lock_write(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_error(ft_rw_write(SELF(op), FT_FOREVER));
}

static PyObject *
rw_unlock_write(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_error(ft_rw_unwrite(SELF(op)));
}

static PyObject *
rw_downgrade(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return none_or_error(ft_rw_downgrade(SELF(op)));
}

static PyObject *
acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
        int (*take)(struct ft_rw *, int64_t))
{
    int64_t deadline = FT_FOREVER;
    if (FT_UNLIKELY(nargs != 0 || kwnames != NULL)
        && ft_parse_acquire(args, nargs, kwnames, &deadline) < 0) {
        return NULL;
    }
    int outcome = take(SELF(op), deadline);
    return FT_UNLIKELY(outcome < 0) ? NULL : PyBool_FromLong(outcome);
}

static PyObject *
rw_acquire_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return acquire(op, args, nargs, kwnames, ft_rw_read);
}

static PyObject *
rw_acquire_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return acquire(op, args, nargs, kwnames, ft_rw_write);
}

static PyObject *
rw_readers(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLongLong(ft_rw_readers(SELF(op)));
}

static PyObject *
rw_writers_waiting(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLongLong(ft_waiting_for(&SELF(op)->lock, FT_KIND_EXCLUSIVE));
}

static PyObject *
rw_writer_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong((ft_rw_load(SELF(op)) & FT_RW_WRITER) != 0);
}

static PyObject *
rw_at_fork_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ft_rw_forget(SELF(op));
    atomic_store(&SELF(op)->lock.word, 0);
    Py_RETURN_NONE;
}

/* `with lock:` finds __enter__ and gets this for it. It is an AttributeError too, so that
 * whoever asks whether the lock is a context manager is told that it is not. */
PyObject *
ft_rw_no_side(void)
{
    PyObject *bases = PyTuple_Pack(2, PyExc_TypeError, PyExc_AttributeError);
    PyObject *error = bases == NULL ? NULL : PyErr_NewExceptionWithDoc("ft_utils._locks.NotAContextManager",
        "A ReaderWriterLock in a with statement, which does not say which side is meant.", bases, NULL);
    Py_XDECREF(bases);
    return error;
}

static PyObject *
rw_get_enter(PyObject *op, void *Py_UNUSED(closure))
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    return state == NULL ? NULL
                         : PyErr_Format(state->no_side,
                                        "a %s has two sides: say `with RWReadContext(lock):` to read, or "
                                        "`with RWWriteContext(lock):` to write", ft_type_name(op));
}

static PyObject *
repr_writing(PyObject *op, uint64_t word, long long waiting)
{
    PyObject *owner = ft_repr_owner(word);
    if (owner == NULL) {
        return NULL;
    }
    PyObject *repr = PyUnicode_FromFormat("<%s write-locked owner=%U waiters=%lld at %p>",
                                          ft_type_name(op), owner, waiting, op);
    Py_DECREF(owner);
    return repr;
}

static PyObject *
rw_repr(PyObject *op)
{
    struct ft_rw *self = SELF(op);
    uint64_t s = ft_rw_load(self);
    long long waiting = ft_waiting_for(&self->lock, FT_KIND_EXCLUSIVE) + ft_waiting_for(&self->lock, FT_KIND_SHARED);
    if ((s & FT_RW_WRITER) != 0) {
        return repr_writing(op, s, waiting);
    }
    long long readers = ft_rw_readers(self);
    if (readers == 0) {
        return PyUnicode_FromFormat("<%s unlocked at %p>", ft_type_name(op), op);
    }
    return PyUnicode_FromFormat("<%s read-locked readers=%lld waiters=%lld at %p>",
                                ft_type_name(op), readers, waiting, op);
}

static int
rw_init(PyObject *Py_UNUSED(op), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    return PyArg_ParseTupleAndKeywords(args, kwargs, ":ReaderWriterLock", names) ? 0 : -1;
}

static PyObject *
rw_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return type->tp_alloc(type, 0);
}

void
ft_rw_dealloc(PyObject *op)
{
    ft_rw_forget(SELF(op));
    ft_object_dealloc(op);
}

PyDoc_STRVAR(rw_doc,
"ReaderWriterLock()\n--\n\n"
"A lock for many readers or one writer.\n"
"\n"
"A waiting writer keeps new readers out; a thread that reads may read again all the\n"
"same. A running writer may go ahead of those who wait, until the longest waiting one\n"
"has been that for 5 ms (less where many wait); readers that have waited for 5 ms when\n"
"writers go ahead of them once more go in after that. So neither side starves. Each\n"
"thread releases what it took. What a writer wrote is seen by all who take the lock\n"
"after it. A blocked call on the main thread answers Ctrl-C.\n"
"\n"
"Readers that meet no writer write to no shared memory (BRAVO, Dice and Kogan, USENIX\n"
"ATC 2019); writers and readers alternate as in phase-fair locks (Brandenburg and\n"
"Anderson, 2010), but only once they have waited that long.");

PyDoc_STRVAR(lock_read_doc,
"lock_read($self, /)\n--\n\n"
"Take a read lock; wait while a writer holds the lock or waits for it.\n"
"\n"
"A thread that reads already just reads once more; release as often. RuntimeError\n"
"when this thread holds the write lock. An exception from a signal handler ends the\n"
"wait; the lock is then not taken.");

PyDoc_STRVAR(unlock_read_doc,
"unlock_read($self, /)\n--\n\n"
"Release a read lock of this thread.\n"
"\n"
"RuntimeError, and nothing changed, when this thread has none.");

PyDoc_STRVAR(lock_write_doc,
"lock_write($self, /)\n--\n\n"
"Take the write lock; wait until nobody else holds the lock.\n"
"\n"
"New readers are kept out meanwhile. RuntimeError when this thread reads or writes\n"
"already: it would wait for itself. An exception from a signal handler ends the wait;\n"
"the lock is then not taken, and the readers that were kept out go in.");

PyDoc_STRVAR(unlock_write_doc,
"unlock_write($self, /)\n--\n\n"
"Release the write lock.\n"
"\n"
"RuntimeError, and nothing changed, when this thread does not hold it.");

#define ACQUIRE_TEXT                                                                     \
    "\n"                                                                                 \
    "timeout is in seconds; -1 waits for as long as it takes. With blocking=False, or\n" \
    "when the time is over, False: nothing has changed, and it says no more than that\n" \
    "the lock could not be had at some moment. ValueError for another negative\n"        \
    "timeout, and for a timeout with blocking=False; OverflowError for one above\n"      \
    "threading.TIMEOUT_MAX. "

PyDoc_STRVAR(acquire_read_doc,
"acquire_read($self, /, blocking=True, timeout=-1)\n--\n\n"
"Take a read lock and return True, or return False.\n"
ACQUIRE_TEXT
"RuntimeError when this thread holds the write lock and\n"
"would wait.");

PyDoc_STRVAR(acquire_write_doc,
"acquire_write($self, /, blocking=True, timeout=-1)\n--\n\n"
"Take the write lock and return True, or return False.\n"
ACQUIRE_TEXT
"RuntimeError when this thread reads or writes already\n"
"and would wait.");

PyDoc_STRVAR(release_read_doc,
"release_read($self, /)\n--\n\n"
"Release a read lock of this thread: the same as unlock_read().\n"
"\n"
"RuntimeError, and nothing changed, when this thread does not hold it.");

PyDoc_STRVAR(release_write_doc,
"release_write($self, /)\n--\n\n"
"Release the write lock: the same as unlock_write().\n"
"\n"
"RuntimeError, and nothing changed, when this thread does not hold it.");

PyDoc_STRVAR(downgrade_doc,
"downgrade($self, /)\n--\n\n"
"Turn the write lock of this thread into a read lock, with no writer in between.\n"
"\n"
"RuntimeError, and nothing changed, when this thread does not hold the write lock.");

PyDoc_STRVAR(readers_doc,
"readers($self, /)\n--\n\n"
"Return the number of read locks held; it may be outdated at once.\n"
"\n"
"A thread that reads twice counts twice. It looks into the record of every thread.");

PyDoc_STRVAR(writers_waiting_doc,
"writers_waiting($self, /)\n--\n\n"
"Return the number of writers that wait; it may be outdated at once.");

PyDoc_STRVAR(writer_locked_doc,
"writer_locked($self, /)\n--\n\n"
"Return whether a writer holds the lock; it may be outdated at once.");

PyDoc_STRVAR(reinit_doc,
"_at_fork_reinit($self, /)\n--\n\n"
"Make the lock free, in a forked child, whoever held it (for os.register_at_fork).");

#define FASTCALL(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef methods[] = {
    {"lock_read", rw_lock_read, METH_NOARGS, lock_read_doc},
    {"unlock_read", rw_unlock_read, METH_NOARGS, unlock_read_doc},
    {"lock_write", rw_lock_write, METH_NOARGS, lock_write_doc},
    {"unlock_write", rw_unlock_write, METH_NOARGS, unlock_write_doc},
    {"acquire_read", FASTCALL(rw_acquire_read), METH_FASTCALL | METH_KEYWORDS, acquire_read_doc},
    {"acquire_write", FASTCALL(rw_acquire_write), METH_FASTCALL | METH_KEYWORDS, acquire_write_doc},
    {"release_read", rw_unlock_read, METH_NOARGS, release_read_doc},
    {"release_write", rw_unlock_write, METH_NOARGS, release_write_doc},
    {"downgrade", rw_downgrade, METH_NOARGS, downgrade_doc},
    {"readers", rw_readers, METH_NOARGS, readers_doc},
    {"writers_waiting", rw_writers_waiting, METH_NOARGS, writers_waiting_doc},
    {"writer_locked", rw_writer_locked, METH_NOARGS, writer_locked_doc},
    {"_at_fork_reinit", rw_at_fork_reinit, METH_NOARGS, reinit_doc},
    FT_REFUSE_PICKLE_METHOD,
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"__enter__", rw_get_enter, NULL,
     PyDoc_STR("Not to be had: TypeError, naming RWReadContext and RWWriteContext."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(ReaderWriterLock, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)rw_doc},
    {Py_tp_new, rw_new},
    {Py_tp_init, rw_init},
    {Py_tp_dealloc, ft_rw_dealloc},
    {Py_tp_repr, rw_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec ft_rw_lock_spec = {
    .name = "ft_utils.synchronization.ReaderWriterLock",
    .basicsize = sizeof(ReaderWriterLock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
