/* Semaphore and BoundedSemaphore. The word: golib/locks/semaphore.go. */
#include "objects/args.h"
#include "objects/naming.h"
#include "objects/oddcount.h"
#include "objects/patchable.h"
#include "objects/takes.h"
#include "objects/types.h"
#include "objects/within.h"

#include <limits.h>

typedef struct {
    FT_OBJECT_HEAD
    struct ft_semaphore permits;
    /* FT_SEMAPHORE_MOST, the initial value of a bounded one, 0 with an odd value: then no
     * permit is to be had by the word, nor added to it. */
    _Atomic(uint64_t) most;
    PyObject *odd; /* NULL, or a value that the word cannot count: oddcount.h */
    PyObject *dict;
} Semaphore;

FT_ASSERT_WORD(Semaphore, permits.word);

#define SELF(op) ((Semaphore *)(op))
#define ONE_PERMIT (1ULL << FT_OWNER_SHIFT)

static inline uint64_t
load(Semaphore *self)
{
    return atomic_load(&self->permits.word);
}

static inline uint64_t
most_of(Semaphore *self)
{
    return atomic_load_explicit(&self->most, memory_order_relaxed);
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
    return false; /* a thread with a permit may wait for another */
}

static void
take_back(void *lock, const struct ft_thread *Py_UNUSED(gone), uint32_t state)
{
    if (state == FT_STATE_GRANTED) {
        atomic_fetch_add(&((struct ft_semaphore *)lock)->word, ONE_PERMIT);
    }
}

#define OPS(what_)                                                    \
    {                                                                 \
        .try = try,                                                   \
        .fallback_try = try,                                          \
        .owned = never_owned,                                         \
        .take_back = take_back,                                       \
        .contend = offsetof(struct ft_golib, ft_semaphore_contend),   \
        .withdraw = offsetof(struct ft_golib, ft_semaphore_withdraw), \
        .kind = FT_KIND_EXCLUSIVE,                                    \
        .flags = FT_SEMAPHORE_PARKED,                                 \
        .spins = true,                                                \
        .handed = true,                                               \
        .side = FT_SIDE_WAIT,                                         \
        .what = (what_),                                              \
    }

static const struct ft_wait_ops plain_ops = OPS("Semaphore"), bounded_ops = OPS("BoundedSemaphore");

static inline bool
is_odd(Semaphore *self)
{
    return FT_UNLIKELY(__atomic_load_n(&self->odd, __ATOMIC_ACQUIRE) != NULL);
}

static const struct ft_wait_ops *
ops_of(Semaphore *self)
{
    return most_of(self) == FT_SEMAPHORE_MOST ? &plain_ops : &bounded_ops;
}

/* There was no permit. Only now the timeout matters: NULL or None waits without one. */
static FT_SLOW int
take_slow(Semaphore *self, bool blocking, PyObject *timeout)
{
    if (is_odd(self)) {
        return ft_odd_add((PyObject *)self, &self->odd, -1) > 0 ? FT_ACQUIRED : FT_FAILED;
    }
    if (!blocking) {
        return FT_TIMED_OUT;
    }
    return ft_check_end(timeout) < 0 ? FT_FAILED : ft_wait_with(ops_of(self), &self->permits, timeout);
}

static inline int
take(Semaphore *self)
{
    return FT_LIKELY(try(&self->permits, NULL)) ? FT_ACQUIRED : take_slow(self, true, NULL);
}

static FT_SLOW int
refuse_release(uint64_t most)
{
    if (most == FT_SEMAPHORE_MOST) {
        PyErr_Format(PyExc_ValueError, "Semaphore released too many times: it counts up to %llu permits",
                     FT_SEMAPHORE_MOST);
    }
    else {
        PyErr_SetString(PyExc_ValueError, "Semaphore released too many times: it would exceed its initial value");
    }
    return -1;
}

/* The word may not have n more permits: they are too many, or it does not count them. */
static FT_SLOW int
give_odd(Semaphore *self, uint64_t n, uint64_t most)
{
    if (!is_odd(self)) {
        return refuse_release(most);
    }
    int outcome = n > LLONG_MAX ? 0 : ft_odd_add((PyObject *)self, &self->odd, (long long)n);
    return outcome > 0 ? 0 : outcome < 0 ? -1
                                         : refuse_release(0);
}

/* A thread waits: Go hands the permits over. */
static FT_SLOW int
give_slow(Semaphore *self, const struct ft_golib *go, uint64_t n)
{
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return -1;
    }
    struct ft_waiter *waiter = &thread->seat->waiter;
    uint64_t most = most_of(self);
    if (!go->ft_semaphore_release(&self->permits, waiter, n, most)) {
        return refuse_release(most);
    }
    ft_wake(waiter->chain);
    return 0;
}

static inline int
give(Semaphore *self, uint64_t n)
{
    uint64_t s = load(self);
    for (;;) {
        uint64_t permits = s >> FT_OWNER_SHIFT, most = most_of(self);
        if (FT_UNLIKELY(permits > most || n > most - permits)) {
            return give_odd(self, n, most);
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

/* ---- for tasks ---- */

bool
ft_semaphore_is_odd(PyObject *op)
{
    return is_odd(SELF(op));
}

int
ft_semaphore_take(PyObject *op)
{
    return take(SELF(op));
}

int
ft_semaphore_give(PyObject *op)
{
    return give(SELF(op), 1);
}

/* ---- methods ---- */

static FT_SLOW int
take_as_told(Semaphore *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"blocking", "timeout"};
    PyObject *found[2] = {NULL, NULL};
    if (ft_gather("acquire", names, 2, args, nargs, kwnames, found) < 0) {
        return FT_FAILED;
    }
    int blocking = found[0] == NULL ? 1 : PyObject_IsTrue(found[0]);
    if (blocking < 0) {
        return FT_FAILED;
    }
    if (!blocking && found[1] != NULL && found[1] != Py_None) {
        PyErr_SetString(PyExc_ValueError, "can't specify timeout for non-blocking acquire");
        return FT_FAILED;
    }
    return try(&self->permits, NULL) ? FT_ACQUIRED : take_slow(self, blocking, found[1]);
}

/* __enter__ too, as in threading. */
static PyObject *
semaphore_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    bool plain = FT_LIKELY(nargs == 0 && kwnames == NULL);
    int outcome = plain ? take(SELF(op)) : take_as_told(SELF(op), args, nargs, kwnames);
    return ft_bool(outcome);
}

static FT_SLOW int
parse_permits(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, uint64_t *n)
{
    PyObject *given;
    if (ft_gather_one("release", "n", args, nargs, kwnames, &given) < 0) {
        return -1;
    }
    *n = 1;
    int is_whole = given == NULL ? 1 : ft_whole_from(1, given, "n must be one or more", n);
    if (is_whole == 0) {
        PyErr_Format(PyExc_TypeError, "release() adds a whole number of permits, not %R", given);
    }
    return is_whole > 0 ? 0 : -1;
}

static PyObject *
semaphore_release(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    uint64_t n = 1;
    if (FT_UNLIKELY(nargs != 0 || kwnames != NULL)
        && parse_permits(args, nargs, kwnames, &n) < 0) {
        return NULL;
    }
    return ft_none(give(SELF(op), n));
}

static void semaphore_dealloc(PyObject *op);

/* threading's __exit__ calls release(), so that one which was replaced is called. */
static FT_SLOW PyObject *
exit_patched(PyObject *op)
{
    PyObject *release;
    int own = ft_own_method(op, "release", FT_FASTCALL(semaphore_release), &release);
    if (own != 0) {
        return own < 0 ? NULL : ft_none(give(SELF(op), 1));
    }
    PyObject *result = PyObject_CallNoArgs(release);
    Py_DECREF(release);
    return ft_none(ft_drop(result));
}

static PyObject *
semaphore_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    if (FT_UNLIKELY(!ft_unpatched(op, semaphore_dealloc, &SELF(op)->dict))) {
        return exit_patched(op);
    }
    return ft_none(give(SELF(op), 1));
}

/* As the with statement, it takes a permit without a look at a replaced acquire(). */
static int
take_within(PyObject *op, int64_t deadline)
{
    Semaphore *self = SELF(op);
    int outcome = try(&self->permits, NULL) ? FT_ACQUIRED : take_slow(self, false, NULL);
    if (outcome != FT_TIMED_OUT || deadline == FT_NO_WAIT) {
        return outcome;
    }
    struct ft_thread *thread = ft_self();
    return thread == NULL ? FT_FAILED : ft_wait(ops_of(self), &self->permits, thread, deadline);
}

FT_WITHIN_METHOD(semaphore_within, take_within, semaphore_exit)

static PyObject *
semaphore_get_value(PyObject *op, void *Py_UNUSED(closure))
{
    Semaphore *self = SELF(op);
    return is_odd(self) ? ft_odd_value(op, &self->odd) : PyLong_FromUnsignedLongLong(load(self) >> FT_OWNER_SHIFT);
}

static PyObject *
bounded_get_initial_value(PyObject *op, void *Py_UNUSED(closure))
{
    Semaphore *self = SELF(op);
    return is_odd(self) ? ft_odd_bound(op, &self->odd) : PyLong_FromUnsignedLongLong(most_of(self));
}

static PyObject *
semaphore_repr(PyObject *op)
{
    PyObject *value = semaphore_get_value(op, NULL);
    PyObject *state = value == NULL ? NULL : PyUnicode_FromFormat("value=%S", value);
    Py_XDECREF(value);
    return ft_repr_state(op, ft_waiting_for(&SELF(op)->permits, FT_KIND_EXCLUSIVE), state);
}

static PyObject *
bounded_repr(PyObject *op)
{
    PyObject *value = semaphore_get_value(op, NULL);
    PyObject *most = value == NULL ? NULL : bounded_get_initial_value(op, NULL);
    PyObject *state = most == NULL ? NULL : PyUnicode_FromFormat("value=%S/%S", value, most);
    Py_XDECREF(value);
    Py_XDECREF(most);
    return ft_repr_state(op, ft_waiting_for(&SELF(op)->permits, FT_KIND_EXCLUSIVE), state);
}

/* ---- making ---- */

static PyObject *
semaphore_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        atomic_store(&SELF(op)->permits.word, ONE_PERMIT);
        atomic_store(&SELF(op)->most, FT_SEMAPHORE_MOST);
    }
    return op;
}

/* Into *n, or as a new reference into *odd when the word cannot count it. *name is borrowed. */
static int
parse_value(PyObject *args, PyObject *kwargs, bool bounded, uint64_t *n, PyObject **odd, PyObject **name)
{
    static char *names[] = {"value", "name", NULL};
    PyObject *value = NULL;
    *n = 1;
    *odd = *name = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$O", names, &value, name)) {
        return -1;
    }
    int is_whole = value == NULL ? 1 : ft_whole_from(0, value, "semaphore initial value must be >= 0", n);
    if (is_whole == 0 || (is_whole > 0 && *n > FT_SEMAPHORE_MOST)) {
        *n = 0;
        *odd = ft_odd_new(value, bounded);
        return *odd == NULL ? -1 : 0;
    }
    return is_whole > 0 ? 0 : -1;
}

static int
set_value(PyObject *op, PyObject *args, PyObject *kwargs, bool bounded)
{
    Semaphore *self = SELF(op);
    uint64_t n;
    PyObject *odd, *unused, *name;
    struct ft_known *made;
    if (parse_value(args, kwargs, bounded, &n, &odd, &name) < 0) {
        return -1;
    }
    if (ft_name_make(name, &made) < 0) {
        Py_XDECREF(odd);
        return -1;
    }
    unused = odd;
    bool parked;
    Py_BEGIN_CRITICAL_SECTION(op); /* two threads may call this at the same time */
    uint64_t s = load(self);
    do { /* a thread that has parked in the meantime is not forgotten */
        parked = (s & FT_SEMAPHORE_PARKED) != 0;
    } while (!parked && !atomic_compare_exchange_weak(&self->permits.word, &s, n << FT_OWNER_SHIFT));
    if (!parked) {
        unused = self->odd;
        __atomic_store_n(&self->odd, odd, __ATOMIC_RELEASE);
        atomic_store(&self->most, odd != NULL ? 0 : bounded ? n
                                                            : FT_SEMAPHORE_MOST);
    }
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(unused);
    if (parked) {
        ft_name_drop(made);
        PyErr_SetString(PyExc_RuntimeError, "cannot initialize a semaphore that is waited for");
        return -1;
    }
    ft_name_begin(op, name, made);
    return 0;
}

static int
semaphore_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return set_value(op, args, kwargs, false);
}

static int
bounded_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return set_value(op, args, kwargs, true);
}

static int
semaphore_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(SELF(op)->odd);
    Py_VISIT(SELF(op)->dict);
    return 0;
}

/* The odd value stays: a semaphore without it would be another one. */
static int
semaphore_clear(PyObject *op)
{
    Py_CLEAR(SELF(op)->dict);
    return 0;
}

static void
semaphore_dealloc(PyObject *op)
{
    ft_patchable_abandon(op, &SELF(op)->dict);
    Py_CLEAR(SELF(op)->odd);
    ft_lock_free(op);
}

/* ---- the types ---- */

PyDoc_STRVAR(semaphore_doc,
"Semaphore(value=1, *, name=None)\n--\n\n"
"A counter of permits: threading.Semaphore.\n"
"\n"
"value is the number of permits at first; ValueError if negative. Permits are handed to\n"
"waiting threads in order of arrival. A value that is not whole, infinite or above\n"
"2**56 - 1 never comes to 0 by steps of one, so that no thread ever waits. name is what\n"
"reports call it: a str or None (TypeError).");

PyDoc_STRVAR(bounded_doc,
"BoundedSemaphore(value=1, *, name=None)\n--\n\n"
"A Semaphore that cannot have more permits than at first: threading.BoundedSemaphore.\n"
"\n"
"A release beyond that raises ValueError and changes nothing.");

#define ACQUIRE_ENTRY                                                                                        \
    FT_KEYWORDS("acquire", semaphore_acquire, "blocking=True, timeout=None",                                 \
                "Take a permit and return True, or return False.\n"                                          \
                "\n"                                                                                         \
                "timeout is in seconds; None waits for as long as it takes. With blocking=False, or when\n"  \
                "the time is over, False: nothing has changed. ValueError for a timeout with\n"              \
                "blocking=False; OverflowError, TypeError or ValueError (NaN) for a bad one, where it has\n" \
                "to wait. An exception from a signal handler ends the wait without a permit.")
#define RELEASE_ENTRY                                                                                    \
    FT_KEYWORDS("release", semaphore_release, "n=1",                                                     \
                "Add n permits; up to n waiting threads get them.\n"                                     \
                "\n"                                                                                     \
                "ValueError, and nothing changed, when n is less than one or there would be too many;\n" \
                "TypeError when it is not whole.")

static PyMethodDef semaphore_methods[] = {
    ACQUIRE_ENTRY,
    RELEASE_ENTRY,
    FT_KEYWORDS("__enter__", semaphore_acquire, "blocking=True, timeout=None", "Take a permit, as acquire() does."),
    FT_EXIT(semaphore_exit, "Add a permit."),
    FT_WITHIN(semaphore_within),
    FT_METHODS_END,
};

/* What threading's subclass defines anew; the rest is inherited, except acquire: the
 * interpreter calls methods of the very class sooner than inherited ones. */
static PyMethodDef bounded_methods[] = {
    ACQUIRE_ENTRY,
    RELEASE_ENTRY,
    {0},
};

static PyGetSetDef semaphore_getset[] = {
    FT_GETTER("_value", semaphore_get_value, "The number of permits."),
    FT_NAME_GETSET,
    FT_DICT_GETSET,
    {0},
};

static PyGetSetDef bounded_getset[] = {
    FT_GETTER("_initial_value", bounded_get_initial_value, "The greatest number of permits."),
    {0},
};

static PyMemberDef members[] = FT_PATCHABLE_MEMBERS(Semaphore);

static PyType_Slot semaphore_slots[] = {
    FT_TYPE_SLOTS(semaphore_doc, semaphore_new, semaphore_init, semaphore_dealloc,
                  semaphore_repr, semaphore_methods),
    FT_PATCHABLE_TYPE_SLOTS(semaphore_traverse, semaphore_clear, semaphore_getset, members),
    {0, NULL},
};

static PyType_Slot bounded_slots[] = {
    FT_TYPE_SLOTS(bounded_doc, semaphore_new, bounded_init, semaphore_dealloc,
                  bounded_repr, bounded_methods),
    FT_PATCHABLE_TYPE_SLOTS(semaphore_traverse, semaphore_clear, bounded_getset, members),
    {0, NULL},
};

PyType_Spec ft_semaphore_spec = FT_TYPE_SPEC("Semaphore", Semaphore, FT_PATCHABLE_TYPE_FLAGS, semaphore_slots);
PyType_Spec ft_bounded_semaphore_spec =
    FT_TYPE_SPEC("BoundedSemaphore", Semaphore, FT_PATCHABLE_TYPE_FLAGS, bounded_slots);
