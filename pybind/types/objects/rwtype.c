/* The Python type ReaderWriterLock. The operations: locks/rwlock.c and locks/rwread.c. */
#include "objects/rwtype.h"

#include "objects/args.h"
#include "objects/naming.h"
#include "objects/types.h"

FT_ASSERT_WORD(ReaderWriterLock, rw.lock.word);

#define RW(op) (&((ReaderWriterLock *)(op))->rw)

/* ---- the read side ---- */

FT_INLINE int
take_read(PyObject *op, int64_t deadline)
{
    return ft_rw_read(RW(op), deadline);
}

static PyObject *
rw_lock_read(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(take_read(op, FT_FOREVER));
}

static PyObject *
rw_acquire_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take_read);
}

static PyObject *
rw_unlock_read(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(ft_rw_unread(RW(op)));
}

static PyObject *
rw_readers(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLongLong(ft_rw_readers(RW(op)));
}

/* ---- the write side ---- */

FT_INLINE int
take_write(PyObject *op, int64_t deadline)
{
    return ft_rw_write(RW(op), deadline);
}

static PyObject *
rw_lock_write(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(take_write(op, FT_FOREVER));
}

static PyObject *
rw_acquire_write(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take_write);
}

static PyObject *
rw_unlock_write(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(ft_rw_unwrite(RW(op)));
}

static PyObject *
rw_downgrade(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(ft_rw_downgrade(RW(op)));
}

static PyObject *
rw_writers_waiting(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLongLong(ft_waiting_for(&RW(op)->lock, FT_KIND_EXCLUSIVE));
}

static PyObject *
rw_writer_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_bool((ft_rw_load(RW(op)) & FT_RW_WRITER) != 0);
}

/* ---- upgradable reading ---- */

static int
take_upgradable(PyObject *op, int64_t deadline)
{
    return ft_rw_upgradable(RW(op), deadline);
}

static PyObject *
rw_lock_upgradable(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(take_upgradable(op, FT_FOREVER));
}

static PyObject *
rw_acquire_upgradable(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take_upgradable);
}

static PyObject *
rw_unlock_upgradable(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(ft_rw_unupgradable(RW(op)));
}

static int
take_upgrade(PyObject *op, int64_t deadline)
{
    return ft_rw_upgrade(RW(op), deadline);
}

static PyObject *
rw_upgrade(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, take_upgrade);
}

static PyObject *
rw_downgrade_to_upgradable(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(ft_rw_downgrade_to_upgradable(RW(op)));
}

static PyObject *
rw_upgradable_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_bool(ft_exclusive_locked(&RW(op)->lock.gate));
}

/* ---- all sides ---- */

/* A new context of a type. */
static PyObject *
context_of(PyObject *op, PyTypeObject *type)
{
    return ft_context_vectorcall((PyObject *)type, &op, 1, NULL);
}

static PyObject *
rw_reading(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    return state == NULL ? NULL : context_of(op, state->read_context);
}

static PyObject *
rw_writing(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    return state == NULL ? NULL : context_of(op, state->write_context);
}

static PyObject *
rw_upgradable(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    return state == NULL ? NULL : context_of(op, state->upgrade_context);
}

/* `with lock:` finds __enter__ and gets this for it. It is an AttributeError too, so that
 * programs that ask whether the lock is a context manager are told that it is not. */
PyObject *
ft_rw_no_side(void)
{
    PyObject *bases = PyTuple_Pack(2, PyExc_TypeError, PyExc_AttributeError);
    if (bases == NULL) {
        return NULL;
    }
    const char *doc = "A ReaderWriterLock in a with statement, which does not say which side is meant.";
    PyObject *error = PyErr_NewExceptionWithDoc("ft_utils._locks.NotAContextManager", doc, bases, NULL);
    Py_DECREF(bases);
    return error;
}

static PyObject *
rw_get_enter(PyObject *op, void *Py_UNUSED(closure))
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    return state == NULL ? NULL
                         : PyErr_Format(state->no_side,
                                        "a %s has two sides: say `with lock.reading():` or `with "
                                        "RWReadContext(lock):` to read, `with lock.writing():` or `with "
                                        "RWWriteContext(lock):` to write",
                                        ft_type_name(op));
}

static PyObject *
rw_at_fork_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ft_rw_forget(RW(op));
    atomic_store(&RW(op)->lock.word, 0);
    atomic_store(&RW(op)->lock.gate.word, 0);
    Py_RETURN_NONE;
}

static PyObject *
rw_repr(PyObject *op)
{
    struct ft_rw *rw = RW(op);
    PyObject *named = ft_named(op, ft_type_name(op), "");
    uint64_t s = ft_rw_load(rw);
    long long waiting = ft_waiting_for(&rw->lock, FT_KIND_EXCLUSIVE) + ft_waiting_for(&rw->lock, FT_KIND_SHARED)
                        + ft_waiting_for(&rw->lock.gate, FT_KIND_EXCLUSIVE);
    if ((s & FT_RW_WRITER) != 0) {
        return ft_repr_owned(op, "%U write-locked", named, s & ~FT_RW_UPGRADED, "", waiting);
    }
    long long readers = ft_rw_readers(rw);
    if (readers == 0) {
        return ft_repr_free(op, "<%U unlocked at %p>", named);
    }
    char state[96];
    PyOS_snprintf(state, sizeof state, "<%%U read-locked readers=%lld waiters=%lld at %%p>", readers, waiting);
    return ft_repr_free(op, state, named);
}

static int
rw_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *name;
    return ft_name_alone(args, kwargs, "|$O:ReaderWriterLock", &name) < 0 ? -1 : ft_name_init(op, name);
}

void
ft_rw_dealloc(PyObject *op)
{
    ft_rw_forget(RW(op));
    ft_lock_free(op);
}

/* ---- the type ---- */

PyDoc_STRVAR(rw_doc,
"ReaderWriterLock(*, name=None)\n--\n\n"
"A lock for many readers or one writer.\n"
"\n"
"A waiting writer keeps new readers out; a thread that reads may read again all the\n"
"same. A running writer may go ahead of those that wait, until the longest waiting one\n"
"has been that for 5 ms (less where many wait); readers that have waited for 5 ms when\n"
"writers go ahead of them once more go in after that. So neither side starves. Each\n"
"thread releases what it took. What a writer wrote is seen by all that take the lock\n"
"after it. A blocked call on the main thread answers Ctrl-C. name is what reports call\n"
"the lock: a str or None (TypeError).\n"
"\n"
"Readers that meet no writer write to no shared memory (BRAVO, Dice and Kogan, USENIX\n"
"ATC 2019); writers and readers alternate as in phase-fair locks (Brandenburg and\n"
"Anderson, 2010), but only once they have waited that long.");

#define UNREAD_TEXT "RuntimeError, and nothing changed, when this thread has none."
#define UNUPGRADABLE_TEXT \
    "RuntimeError, and nothing changed, when this thread has none, or has upgraded it."
#define UNWRITE_TEXT "RuntimeError, and nothing changed, when this thread does not hold it."

static PyMethodDef methods[] = {
    FT_NOARGS("lock_read", rw_lock_read,
              "Take a read lock; wait while a writer holds the lock or waits for it.\n"
              "\n"
              "A thread that reads already just reads once more; release as often. RuntimeError\n"
              "when this thread holds the write lock. An exception from a signal handler ends the\n"
              "wait; the lock is then not taken."),
    FT_NOARGS("unlock_read", rw_unlock_read, "Release a read lock of this thread.\n\n" UNREAD_TEXT),
    FT_NOARGS("lock_write", rw_lock_write,
              "Take the write lock; wait until no other thread holds the lock.\n"
              "\n"
              "New readers are kept out meanwhile. RuntimeError when this thread reads or writes\n"
              "already: it would wait for itself. An exception from a signal handler ends the wait;\n"
              "the lock is then not taken, and the readers that were kept out go in."),
    FT_NOARGS("unlock_write", rw_unlock_write, "Release the write lock.\n\n" UNWRITE_TEXT),
    FT_ACQUIRE("acquire_read", rw_acquire_read, "Take a read lock",
               "RuntimeError when this thread holds the write lock and would wait."),
    FT_ACQUIRE("acquire_write", rw_acquire_write, "Take the write lock",
               "RuntimeError when this thread reads or writes already and would wait."),
    FT_NOARGS("release_read", rw_unlock_read,
              "Release a read lock of this thread: the same as unlock_read().\n\n" UNREAD_TEXT),
    FT_NOARGS("release_write", rw_unlock_write,
              "Release the write lock: the same as unlock_write().\n\n" UNWRITE_TEXT),
    FT_NOARGS("downgrade", rw_downgrade,
              "Turn the write lock of this thread into a read lock, with no writer in between.\n"
              "\n"
              "The upgradable read lock too becomes a plain one. Not within `with lock.writing():` or\n"
              "`with lock.upgradable():`, whose end would not find what it has to release: take the lock\n"
              "by lock_write() and end with unlock_read(). RuntimeError, and nothing changed, when this\n"
              "thread holds neither."),
    FT_NOARGS("lock_upgradable", rw_lock_upgradable,
              "Take the upgradable read lock; wait while another thread has that or a writer comes first.\n"
              "\n"
              "It is a read lock, beside those of other readers, and upgrade() turns it into the write\n"
              "lock. RuntimeError when this thread holds the lock in any way already. An exception from\n"
              "a signal handler ends the wait; nothing is taken then."),
    FT_NOARGS("unlock_upgradable", rw_unlock_upgradable, "Release the upgradable read lock.\n\n" UNUPGRADABLE_TEXT),
    FT_ACQUIRE("acquire_upgradable", rw_acquire_upgradable, "Take the upgradable read lock",
               "RuntimeError when this thread holds the lock in any way already and would wait."),
    FT_NOARGS("release_upgradable", rw_unlock_upgradable,
              "Release the upgradable read lock: the same as unlock_upgradable().\n\n" UNUPGRADABLE_TEXT),
    FT_ACQUIRE("upgrade", rw_upgrade, "Turn the upgradable read lock into the write lock",
               UPGRADE_TEXT("unlock_write() releases")),
    FT_NOARGS("downgrade_to_upgradable", rw_downgrade_to_upgradable,
              "Turn the write lock back into the upgradable read lock that it was upgraded from.\n"
              "\n"
              "No writer comes in between. RuntimeError, and nothing changed, when this thread does not\n"
              "hold the write lock, or holds one that was not upgraded."),
    FT_NOARGS("reading", rw_reading,
              "Return RWReadContext(self), for `with lock.reading():`; it may be kept and used again.\n"
              "\n"
              "With a time-out: `with lock.reading().within(0.5):`."),
    FT_NOARGS("writing", rw_writing,
              "Return RWWriteContext(self), for `with lock.writing():`; it may be kept and used again.\n"
              "\n"
              "With a time-out: `with lock.writing().within(0.5):`."),
    FT_NOARGS("upgradable", rw_upgradable,
              "Return RWUpgradeContext(self), for `with lock.upgradable() as reading:`; it may be kept.\n"
              "\n"
              "With a time-out: `with lock.upgradable().within(0.5):`."),
    FT_NOARGS("upgradable_locked", rw_upgradable_locked,
              "Return whether a thread has the upgradable read lock, has upgraded it, or is about to\n"
              "have it; it may be outdated at once."),
    FT_NOARGS("readers", rw_readers,
              "Return the number of read locks held; it may be outdated at once.\n"
              "\n"
              "A thread that reads twice counts twice. It looks into the record of every thread."),
    FT_NOARGS("writers_waiting", rw_writers_waiting,
              "Return the number of writers that wait; it may be outdated at once."),
    FT_NOARGS("writer_locked", rw_writer_locked,
              "Return whether a writer holds the lock; it may be outdated at once."),
    FT_AT_FORK_REINIT(rw_at_fork_reinit, FT_FREE_TEXT),
    FT_METHODS_END,
};

static PyGetSetDef getset[] = {
    /* One of the two: a type with both would be a context manager in the eyes of its ABC. */
    FT_GETTER(FT_WITH_FIRST, rw_get_enter, "Always TypeError, naming what to use instead."),
    FT_NAME_GETSET,
    {0},
};

static PyType_Slot slots[] = {
    FT_TYPE_SLOTS(rw_doc, PyType_GenericNew, rw_init, ft_rw_dealloc, rw_repr, methods),
    FT_PLAIN_TYPE_SLOTS,
    {Py_tp_getset, getset},
    {0, NULL},
};

PyType_Spec ft_rw_lock_spec = FT_TYPE_SPEC("ReaderWriterLock", ReaderWriterLock, FT_PLAIN_TYPE_FLAGS, slots);
