/* Semaphore and BoundedSemaphore. The word: golib/locks/semaphore.go. */
#include "objects/args.h"
#include "objects/family.h"
#include "objects/lockobj.h"
#include "objects/types.h"

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_semaphore permits;
    uint64_t most; /* FT_SEMAPHORE_MOST, or the initial value of a bounded one */
} Semaphore;

_Static_assert(offsetof(Semaphore, permits.word) == FT_WORD_OFFSET, "snapshot() counts on it");

#define SELF(op) ((Semaphore *)(op))
#define ONE_PERMIT (1ULL << FT_OWNER_SHIFT)

static inline uint64_t
load(Semaphore *self)
{
    return atomic_load(&self->permits.word);
}

/* ---- the transitions without judgement ---- */

static bool
try(void *lock, struct ft_thread *Py_UNUSED(self))
{
    _Atomic(uint64_t) *word = &((struct ft_semaphore *)lock)->word;
    uint64_t s = atomic_load(word);
    while (s >= ONE_PERMIT) { /* then nobody is parked */
        if (atomic_compare_exchange_weak(word, &s, s - ONE_PERMIT)) {
            return true;
        }
    }
    return false;
}

static bool
never_owned(void *Py_UNUSED(lock), struct ft_thread *Py_UNUSED(self))
{
    return false; /* who has a permit may wait for another */
}

static void
take_back(void *lock, const struct ft_thread *Py_UNUSED(gone), uint32_t state)
{
    if (state == FT_STATE_GRANTED) {
        atomic_fetch_add(&((struct ft_semaphore *)lock)->word, ONE_PERMIT);
    }
}

static const struct ft_wait_ops ops = {
    .try = try,
    .fallback_try = try,
    .owned = never_owned,
    .take_back = take_back,
    .contend = offsetof(struct ft_golib, ft_semaphore_contend),
    .withdraw = offsetof(struct ft_golib, ft_semaphore_withdraw),
    .kind = FT_KIND_EXCLUSIVE,
    .flags = FT_SEMAPHORE_PARKED,
    .spins = true,
    .handed = true,
};

static inline int
take(Semaphore *self, int64_t deadline)
{
    if (FT_LIKELY(try(&self->permits, NULL))) {
        return FT_ACQUIRED;
    }
    if (deadline == FT_NO_WAIT) {
        return FT_TIMED_OUT;
    }
    struct ft_thread *thread = ft_self();
    return thread == NULL ? FT_FAILED : ft_wait(&ops, &self->permits, thread, deadline);
}

static FT_SLOW int
refuse_release(void)
{
    PyErr_SetString(PyExc_ValueError, "Semaphore released too many times: it would exceed its "
                                      "initial value");
    return -1;
}

/* Somebody waits: Go hands the permits over. */
static FT_SLOW int
give_slow(Semaphore *self, const struct ft_golib *go, uint64_t n)
{
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return -1;
    }
    struct ft_waiter *waiter = &thread->seat->waiter;
    if (!go->ft_semaphore_release(&self->permits, waiter, n, self->most)) {
        return refuse_release();
    }
    ft_wake(waiter->chain);
    return 0;
}

static inline int
give(Semaphore *self, uint64_t n)
{
    uint64_t s = load(self);
    for (;;) {
        uint64_t permits = s >> FT_OWNER_SHIFT;
        if (FT_UNLIKELY(permits > self->most || n > self->most - permits)) {
            return refuse_release();
        }
        const struct ft_golib *go;
        if (FT_UNLIKELY((s & FT_SEMAPHORE_PARKED) != 0) && (go = ft_golib()) != NULL) {
            return give_slow(self, go, n);
        }
        if (FT_LIKELY(atomic_compare_exchange_weak(&self->permits.word, &s,
                                                   (permits + n) << FT_OWNER_SHIFT))) {
            return 0;
        }
    }
}

/* ---- methods ---- */

/* (blocking=True, timeout=None) with timeout checked as threading.Semaphore does. */
static FT_SLOW int
parse_acquire(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *deadline)
{
    static const char *const names[] = {"blocking", "timeout"};
    PyObject *found[2] = {NULL, NULL};
    if (ft_gather("acquire", names, 2, args, nargs, kwnames, found) < 0) {
        return -1;
    }
    int blocking = found[0] == NULL ? 1 : PyObject_IsTrue(found[0]);
    if (blocking < 0) {
        return -1;
    }
    bool timed = found[1] != NULL && found[1] != Py_None;
    if (!blocking && timed) {
        PyErr_SetString(PyExc_ValueError, "can't specify timeout for non-blocking acquire");
        return -1;
    }
    if (!blocking) {
        *deadline = FT_NO_WAIT;
        return 0;
    }
    return ft_parse_timeout(found[1], deadline);
}

static PyObject *
semaphore_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int64_t deadline = FT_FOREVER;
    if (FT_UNLIKELY(nargs != 0 || kwnames != NULL)
        && parse_acquire(args, nargs, kwnames, &deadline) < 0) {
        return NULL;
    }
    int outcome = take(SELF(op), deadline);
    return FT_UNLIKELY(outcome < 0) ? NULL : PyBool_FromLong(outcome);
}

static PyObject *
semaphore_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return FT_LIKELY(take(SELF(op), FT_FOREVER) > 0) ? Py_True : NULL;
}

static FT_SLOW int
parse_permits(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, uint64_t *n)
{
    static const char *const names[] = {"n"};
    PyObject *found[1] = {NULL};
    if (ft_gather("release", names, 1, args, nargs, kwnames, found) < 0) {
        return -1;
    }
    long long value = found[0] == NULL ? 1 : PyLong_AsLongLong(found[0]);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value < 1) {
        PyErr_SetString(PyExc_ValueError, "n must be one or more");
        return -1;
    }
    *n = (uint64_t)value;
    return 0;
}

static PyObject *
semaphore_release(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    uint64_t n = 1;
    if (FT_UNLIKELY(nargs != 0 || kwnames != NULL)
        && parse_permits(args, nargs, kwnames, &n) < 0) {
        return NULL;
    }
    return FT_LIKELY(give(SELF(op), n) == 0) ? Py_None : NULL;
}

static PyObject *
semaphore_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return FT_LIKELY(give(SELF(op), 1) == 0) ? Py_None : NULL;
}

static PyObject *
semaphore_get_value(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(load(SELF(op)) >> FT_OWNER_SHIFT);
}

static PyObject *
semaphore_repr(PyObject *op)
{
    Semaphore *self = SELF(op);
    const struct ft_golib *go = ft_golib();
    long long waiting = go != NULL ? go->ft_waiting(&self->permits, FT_KIND_EXCLUSIVE)
                                   : ft_count_waiting(&self->permits, FT_KIND_EXCLUSIVE);
    unsigned long long value = load(self) >> FT_OWNER_SHIFT;
    if (self->most == FT_SEMAPHORE_MOST) {
        return PyUnicode_FromFormat("<%s value=%llu waiters=%lld at %p>", ft_type_name(op), value,
                                    waiting, op);
    }
    return PyUnicode_FromFormat("<%s value=%llu/%llu waiters=%lld at %p>", ft_type_name(op), value,
                                (unsigned long long)self->most, waiting, op);
}

/* ---- making ---- */

static PyObject *
semaphore_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        atomic_store(&SELF(op)->permits.word, ONE_PERMIT);
        SELF(op)->most = FT_SEMAPHORE_MOST;
    }
    return op;
}

static int
parse_value(PyObject *args, PyObject *kwargs, uint64_t *value)
{
    static char *names[] = {"value", NULL};
    PyObject *given = NULL;
    *value = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &given)) {
        return -1;
    }
    if (given == NULL) {
        return 0;
    }
    int overflow = 0;
    long long n = PyLong_AsLongLongAndOverflow(given, &overflow);
    if (n == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (n < 0 && overflow <= 0) {
        PyErr_SetString(PyExc_ValueError, "semaphore initial value must be >= 0");
        return -1;
    }
    if (overflow > 0 || (uint64_t)n > FT_SEMAPHORE_MOST) {
        PyErr_Format(PyExc_OverflowError, "semaphore initial value must be at most %llu",
                     FT_SEMAPHORE_MOST);
        return -1;
    }
    *value = (uint64_t)n;
    return 0;
}

static int
semaphore_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    uint64_t value;
    if (parse_value(args, kwargs, &value) < 0) {
        return -1;
    }
    if ((load(SELF(op)) & FT_SEMAPHORE_PARKED) != 0) {
        PyErr_SetString(PyExc_RuntimeError, "cannot initialize a semaphore that is waited for");
        return -1;
    }
    atomic_store(&SELF(op)->permits.word, value << FT_OWNER_SHIFT);
    return 0;
}

static int
bounded_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    if (semaphore_init(op, args, kwargs) < 0) {
        return -1;
    }
    SELF(op)->most = load(SELF(op)) >> FT_OWNER_SHIFT;
    return 0;
}

PyDoc_STRVAR(semaphore_doc,
"Semaphore(value=1)\n--\n\n"
"A counter of permits: threading.Semaphore.\n"
"\n"
"value is the number of permits at first: ValueError if negative, OverflowError above\n"
"2**56 - 1. Permits are handed to waiting threads in order of arrival.");

PyDoc_STRVAR(bounded_doc,
"BoundedSemaphore(value=1)\n--\n\n"
"A Semaphore that cannot have more permits than at first: threading.BoundedSemaphore.\n"
"\n"
"A release beyond that raises ValueError and changes nothing.");

PyDoc_STRVAR(acquire_doc,
"acquire($self, /, blocking=True, timeout=None)\n--\n\n"
"Take a permit and return True, or return False.\n"
"\n"
"timeout is in seconds; None waits for as long as it takes. With blocking=False, or when\n"
"the time is over, False: nothing has changed. ValueError for a timeout with\n"
"blocking=False. An exception from a signal handler ends the wait without a permit.");

PyDoc_STRVAR(release_doc,
"release($self, /, n=1)\n--\n\n"
"Add n permits; up to n waiting threads get them.\n"
"\n"
"ValueError, and nothing changed, when n is less than one or there would be too many.");

PyDoc_STRVAR(enter_doc, "__enter__($self, /)\n--\n\nTake a permit and return True.");
PyDoc_STRVAR(exit_doc,
"__exit__($self, exc_type=None, exc_value=None, traceback=None, /)\n--\n\nAdd a permit.");

static PyMethodDef methods[] = {
    {"acquire", FT_FASTCALL(semaphore_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", FT_FASTCALL(semaphore_release), METH_FASTCALL | METH_KEYWORDS, release_doc},
    {"__enter__", semaphore_enter, METH_NOARGS, enter_doc},
    {"__exit__", FT_FASTCALL(semaphore_exit), METH_FASTCALL, exit_doc},
    FT_REFUSE_PICKLE_METHOD,
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"_value", semaphore_get_value, NULL, PyDoc_STR("The number of permits."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Semaphore, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define SLOTS(prefix)                                                  \
    static PyType_Slot prefix##_slots[] = {                            \
        {Py_tp_doc, (void *)prefix##_doc},                             \
        {Py_tp_new, semaphore_new},                                    \
        {Py_tp_init, prefix##_init},                                   \
        {Py_tp_dealloc, ft_object_dealloc},                            \
        {Py_tp_repr, semaphore_repr},                                  \
        {Py_tp_methods, methods},                                      \
        {Py_tp_getset, getset},                                        \
        {Py_tp_members, members},                                      \
        {0, NULL},                                                     \
    };

SLOTS(semaphore)
SLOTS(bounded)

PyType_Spec ft_semaphore_spec = {
    .name = "ft_utils.synchronization.Semaphore",
    .basicsize = sizeof(Semaphore),
    .flags = FT_LOCK_TYPE_FLAGS,
    .slots = semaphore_slots,
};

PyType_Spec ft_bounded_semaphore_spec = {
    .name = "ft_utils.synchronization.BoundedSemaphore",
    .basicsize = sizeof(Semaphore),
    .flags = FT_LOCK_TYPE_FLAGS,
    .slots = bounded_slots,
};
