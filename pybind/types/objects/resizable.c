/* ResizableSemaphore. The word, its states and who may change what: golib/locks/resizable.go. */
#include "objects/args.h"
#include "objects/naming.h"
#include "objects/takes.h"
#include "objects/types.h"

typedef struct {
    FT_OBJECT_HEAD
    struct ft_resizable permits;
} Resizable;

FT_ASSERT_WORD(Resizable, permits.word);

#define SELF(op) ((Resizable *)(op))
#define ONE_PERMIT (1ULL << FT_OWNER_SHIFT)

static inline uint64_t
limit_of(struct ft_resizable *permits)
{
    return atomic_load(&permits->limit);
}

/* ---- the transitions without judgement ---- */

static inline bool
room(uint64_t n, uint64_t taken, uint64_t limit)
{
    return taken <= limit && n <= limit - taken;
}

/* Whether n permits can never be had. A limit of 0 is a pause. */
static inline bool
excessive(uint64_t n, uint64_t limit)
{
    return limit != 0 && n > limit;
}

/* Takes n permits of a word with none of these flags. The limit is read after the word: had it
 * changed in between, so would the word have. */
static inline bool
take_plain(struct ft_resizable *permits, uint64_t n, uint64_t flags)
{
    uint64_t s = atomic_load(&permits->word);
    while ((s & flags) == 0 && room(n, s >> FT_OWNER_SHIFT, limit_of(permits))) {
        if (atomic_compare_exchange_weak(&permits->word, &s, s + n * ONE_PERMIT)) {
            return true;
        }
    }
    return false;
}

/* Without Go parked says nothing: there is no queue. */
static bool
fallback_try(void *lock, struct ft_thread *self)
{
    struct ft_waiter *waiter = &self->seat->waiter;
    bool refused = excessive(waiter->number, limit_of(lock));
    waiter->outcome = refused ? FT_PERMISSION_EXCESSIVE : FT_PERMISSION_PERMITTED;
    return refused || take_plain(lock, waiter->number, 0);
}

static bool
never_owned(void *Py_UNUSED(lock), struct ft_thread *Py_UNUSED(self))
{
    return false; /* a thread with permits may wait for more */
}

static void
take_back(void *lock, const struct ft_seat *seat)
{
    const struct ft_waiter *waiter = &seat->waiter;
    if (ft_state(waiter) == FT_STATE_GRANTED && waiter->outcome == FT_PERMISSION_PERMITTED) {
        atomic_fetch_sub(&((struct ft_resizable *)lock)->word, waiter->number * ONE_PERMIT);
    }
}

static const struct ft_wait_ops ops = {
    .fallback_try = fallback_try,
    .owned = never_owned,
    .take_back_from = take_back,
    .contend = offsetof(struct ft_golib, ft_resizable_contend),
    .withdraw = offsetof(struct ft_golib, ft_resizable_withdraw),
    .kind = FT_KIND_EXCLUSIVE,
    .flags = FT_RESIZABLE_PARKED,
    .handed = true,
    .side = FT_SIDE_WAIT,
    .what = "ResizableSemaphore",
};

/* ---- taking ---- */

static FT_SLOW int
refuse_excessive(uint64_t n, uint64_t limit)
{
    PyErr_Format(PyExc_ValueError,
                 "%llu permits are more than the limit of this ResizableSemaphore, %llu; "
                 "waiting for them would never end",
                 n, limit);
    return FT_FAILED;
}

static FT_SLOW int
take_slow(Resizable *self, uint64_t n, int64_t deadline)
{
    struct ft_resizable *permits = &self->permits;
    uint64_t limit = limit_of(permits);
    if (excessive(n, limit)) {
        return refuse_excessive(n, limit);
    }
    if (deadline == FT_NO_WAIT) {
        return FT_TIMED_OUT;
    }
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return FT_FAILED;
    }
    int outcome = ft_wait_number(&ops, permits, thread, deadline, n);
    if (outcome == FT_ACQUIRED && thread->seat->waiter.outcome == FT_PERMISSION_EXCESSIVE) {
        PyErr_Format(PyExc_ValueError,
                     "resize() has made the limit of this ResizableSemaphore less than the %llu permits that "
                     "this call waited for",
                     n);
        return FT_FAILED;
    }
    return outcome;
}

int
ft_resizable_take(PyObject *op, uint64_t n, int64_t deadline)
{
    return FT_LIKELY(take_plain(&SELF(op)->permits, n, FT_RESIZABLE_PARKED)) ? FT_ACQUIRED
                                                                             : take_slow(SELF(op), n, deadline);
}

/* ---- giving back ---- */

static FT_SLOW int
refuse_release(uint64_t n, uint64_t taken)
{
    PyErr_Format(PyExc_ValueError,
                 "cannot release %llu permits of a ResizableSemaphore of which %llu are taken", n, taken);
    return -1;
}

/* A thread waits: Go hands the permits over. */
static FT_SLOW int
give_slow(Resizable *self, const struct ft_golib *go, uint64_t n)
{
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return -1;
    }
    if (!go->ft_resizable_release(&self->permits, &thread->seat->waiter, n)) {
        return refuse_release(n, atomic_load(&self->permits.word) >> FT_OWNER_SHIFT);
    }
    ft_wake(thread->seat->waiter.chain);
    return 0;
}

int
ft_resizable_give(PyObject *op, uint64_t n)
{
    _Atomic(uint64_t) *word = &SELF(op)->permits.word;
    uint64_t s = atomic_load(word);
    for (;;) {
        if (FT_UNLIKELY(n > s >> FT_OWNER_SHIFT)) {
            return refuse_release(n, s >> FT_OWNER_SHIFT);
        }
        const struct ft_golib *go;
        if (FT_UNLIKELY((s & FT_RESIZABLE_PARKED) != 0) && (go = ft_golib()) != NULL) {
            return give_slow(SELF(op), go, n);
        }
        if (FT_LIKELY(atomic_compare_exchange_weak(word, &s, s - n * ONE_PERMIT))) {
            return 0;
        }
    }
}

/* ---- resizing: by one thread at a time ---- */

static inline uint64_t
resized(uint64_t s)
{
    return (s & ~FT_RESIZABLE_RESIZES) | ((s + FT_RESIZABLE_RESIZE) & FT_RESIZABLE_RESIZES);
}

/* Without those who wait, and without Go: stores the limit, then counts that. False: somebody
 * waits. */
static bool
resize_plain(struct ft_resizable *permits, uint64_t limit)
{
    uint64_t s = atomic_load(&permits->word);
    /* Go is asked for anew: it may have been loaded for whoever waits now. */
    while ((s & FT_RESIZABLE_PARKED) == 0 || ft_golib() == NULL) {
        atomic_store(&permits->limit, limit);
        if (atomic_compare_exchange_strong(&permits->word, &s, resized(s))) {
            return true;
        }
    }
    return false;
}

static void
resize(Resizable *self, struct ft_thread *thread, uint64_t limit)
{
    struct ft_waiter *waiter = &thread->seat->waiter;
    waiter->chain = NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (!resize_plain(&self->permits, limit)) {
        ft_golib()->ft_resizable_resize(&self->permits, waiter, limit);
    }
    Py_END_CRITICAL_SECTION();
    ft_wake(waiter->chain);
}

/* ---- arguments ---- */

FT_SLOW int
ft_parse_permits(PyObject *number, uint64_t least, const char *what, uint64_t *n)
{
    PyObject *whole = PyNumber_Index(number);
    if (whole == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "%s must be a whole number, not %T", what, number);
        }
        return -1;
    }
    *n = PyLong_AsUnsignedLongLong(whole);
    bool out = (*n == UINT64_MAX && PyErr_Occurred()) || *n < least || *n > FT_SEMAPHORE_MOST;
    if (out) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "%s must be from %llu to 2**56 - 1, not %S", what, least, whole);
    }
    Py_DECREF(whole);
    return out ? -1 : 0;
}

/* ---- methods ---- */

static FT_SLOW PyObject *
acquire_as_told(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"n", "blocking", "timeout"};
    PyObject *found[3] = {NULL, NULL, NULL};
    uint64_t n = 1;
    int64_t deadline;
    if (ft_gather("acquire", names, 3, args, nargs, kwnames, found) < 0
        || (found[0] != NULL && ft_parse_permits(found[0], 1, "n", &n) < 0)
        || ft_parse_deadline(found[1], found[2], &deadline) < 0) {
        return NULL;
    }
    return ft_bool(ft_resizable_take(op, n, deadline));
}

static PyObject *
resizable_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    bool plain = FT_LIKELY(nargs == 0 && kwnames == NULL);
    return plain ? ft_bool(ft_resizable_take(op, 1, FT_FOREVER)) : acquire_as_told(op, args, nargs, kwnames);
}

static PyObject *
resizable_release(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *given;
    uint64_t n = 1;
    if (ft_gather_one("release", "n", args, nargs, kwnames, &given) < 0
        || (given != NULL && ft_parse_permits(given, 1, "n", &n) < 0)) {
        return NULL;
    }
    return ft_none(ft_resizable_give(op, n));
}

static int
take_one(PyObject *op, int64_t deadline)
{
    return ft_resizable_take(op, 1, deadline);
}

static PyObject *
resizable_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_enter(op, take_one);
}

static PyObject *
resizable_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return ft_none(ft_resizable_give(op, 1));
}

static PyObject *
resizable_resize(PyObject *op, PyObject *given)
{
    uint64_t limit;
    struct ft_thread *thread = ft_self();
    if (thread == NULL || ft_parse_permits(given, 0, "limit", &limit) < 0) {
        return NULL;
    }
    resize(SELF(op), thread, limit);
    Py_RETURN_NONE;
}

/* What is taken and the limit of one moment. */
static uint64_t
taken_of(Resizable *self, uint64_t *limit)
{
    uint64_t s, again = atomic_load(&self->permits.word);
    do {
        s = again;
        *limit = limit_of(&self->permits);
    } while ((again = atomic_load(&self->permits.word)) != s);
    return s >> FT_OWNER_SHIFT;
}

static PyObject *
resizable_get_value(PyObject *op, void *Py_UNUSED(closure))
{
    uint64_t limit, taken = taken_of(SELF(op), &limit);
    return PyLong_FromLongLong((long long)limit - (long long)taken);
}

static PyObject *
resizable_get_limit(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(limit_of(&SELF(op)->permits));
}

static PyObject *
resizable_repr(PyObject *op)
{
    uint64_t limit, taken = taken_of(SELF(op), &limit);
    PyObject *named = ft_named(op, ft_type_name(op), "");
    PyObject *text = named == NULL
                         ? NULL
                         : PyUnicode_FromFormat("<%U value=%lld/%llu waiters=%lld at %p>", named,
                                                (long long)limit - (long long)taken, limit,
                                                (long long)ft_waiting_for(&SELF(op)->permits, FT_KIND_EXCLUSIVE), op);
    Py_XDECREF(named);
    return text;
}

/* ---- making ---- */

/* One that is made by this alone has a permit, as a Semaphore. */
static PyObject *
resizable_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        atomic_store(&SELF(op)->permits.limit, 1);
    }
    return op;
}

/* Called again, it is a resize. */
static int
resizable_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"limit", "name", NULL};
    PyObject *given, *name = NULL;
    uint64_t limit;
    struct ft_thread *thread = ft_self();
    if (thread == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:ResizableSemaphore", names, &given, &name)
        || ft_parse_permits(given, 0, "limit", &limit) < 0 || ft_name_init(op, name) < 0) {
        return -1;
    }
    resize(SELF(op), thread, limit);
    return 0;
}

/* ---- the type ---- */

PyDoc_STRVAR(resizable_doc,
"ResizableSemaphore(limit, *, name=None)\n--\n\n"
"A counter of permits up to a limit, of which a thread takes one or several at once.\n"
"\n"
"The limit can be changed at any time; 0 is a pause, in which everybody waits. Permits are\n"
"handed over in order of arrival: nobody overtakes one that waits for many. They belong to\n"
"no thread. TypeError when limit is not whole, ValueError when it is not from 0 to 2**56 - 1.\n"
"name is what reports call it: a str or None (TypeError).");

static PyMethodDef methods[] = {
    FT_KEYWORDS("acquire", resizable_acquire, "n=1, blocking=True, timeout=-1",
                "Take n permits and return True, or none and return False.\n"
                "\n"
                "timeout is in seconds; -1 waits for as long as it takes. With blocking=False, or when\n"
                "the time is over, False: nothing has changed. ValueError when n is not from 1 to\n"
                "2**56 - 1, or is more than a limit that is not 0, also when a resize() makes it so\n"
                "meanwhile; for bad time-outs ValueError and OverflowError, as threading.Lock.\n"
                "An exception from a signal handler ends the wait without permits."),
    FT_KEYWORDS("release", resizable_release, "n=1",
                "Give n permits back; those who wait longest get them.\n"
                "\n"
                "ValueError, and nothing changed, when n is less than one or fewer are taken."),
    FT_ONE_ARG("resize", resizable_resize, "limit",
               "Change the limit.\n"
               "\n"
               "Permits that are taken stay taken: value is negative while they are more than the limit.\n"
               "When it returns nobody takes a permit that only the old limit allowed. Threads that wait\n"
               "for more than the limit get ValueError, unless it is 0. TypeError and ValueError as for\n"
               "the constructor, with nothing changed."),
    FT_NOARGS("__enter__", resizable_enter, "Take a permit, as acquire(), and return the semaphore."),
    FT_EXIT(resizable_exit, "Give a permit back."),
    FT_METHODS_END,
};

static PyGetSetDef getset[] = {
    FT_GETTER("value", resizable_get_value,
              "The permits that can be taken; negative while more are taken than the limit is now."),
    FT_GETTER("limit", resizable_get_limit, "The permits in all; resize() changes it."),
    FT_NAME_GETSET,
    {0},
};

static PyType_Slot slots[] = {
    FT_TYPE_SLOTS(resizable_doc, resizable_new, resizable_init, ft_object_dealloc, resizable_repr, methods),
    {Py_tp_members, ft_members},
    {Py_tp_getset, getset},
    {0, NULL},
};

PyType_Spec ft_resizable_spec = FT_TYPE_SPEC("ResizableSemaphore", Resizable, FT_LOCK_TYPE_FLAGS, slots);
