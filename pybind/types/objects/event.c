/* Event. The word: golib/locks/event.go. */
#include "objects/args.h"
#include "objects/family.h"
#include "objects/lockobj.h"
#include "objects/types.h"

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_event event;
} Event;

_Static_assert(offsetof(Event, event.word) == FT_WORD_OFFSET, "snapshot() counts on it");

#define SELF(op) ((Event *)(op))

static inline bool
is_set(Event *self)
{
    return (atomic_load(&self->event.word) & FT_EVENT_SET) != 0;
}

static bool
try(void *event, struct ft_thread *Py_UNUSED(self))
{
    return (atomic_load(&((struct ft_event *)event)->word) & FT_EVENT_SET) != 0;
}

static const struct ft_wait_ops ops = {
    .try = try,
    .fallback_try = try,
    .contend = offsetof(struct ft_golib, ft_event_await),
    .withdraw = offsetof(struct ft_golib, ft_event_withdraw),
    .kind = FT_KIND_SHARED,
    .flags = FT_EVENT_PARKED,
    .spins = true,
    .handed = true,
    .stays = true,
};

static PyObject *
event_is_set(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return is_set(SELF(op)) ? Py_True : Py_False;
}

static PyObject *
event_is_set_old(PyObject *op, PyObject *unused)
{
    return PyErr_WarnEx(PyExc_DeprecationWarning, "isSet() is deprecated, use is_set() instead", 1) < 0
               ? NULL
               : event_is_set(op, unused);
}

/* Somebody waits. */
static FT_SLOW PyObject *
set_slow(Event *self)
{
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return NULL;
    }
    const struct ft_golib *go = ft_golib();
    if (go != NULL) {
        ft_release_slow(go->ft_event_set, &self->event, thread);
    }
    else {
        atomic_store(&self->event.word, FT_EVENT_SET); /* who polls will see it */
    }
    Py_RETURN_NONE;
}

static PyObject *
event_set(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Event *self = SELF(op);
    if (FT_LIKELY(ft_cas(&self->event.word, 0, FT_EVENT_SET)) || is_set(self)) {
        Py_RETURN_NONE;
    }
    return set_slow(self);
}

static PyObject *
event_clear(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ft_cas(&SELF(op)->event.word, FT_EVENT_SET, 0); /* a word with parked is clear */
    Py_RETURN_NONE;
}

static PyObject *
event_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int64_t deadline;
    if (ft_parse_wait("wait", args, nargs, kwnames, &deadline) < 0) {
        return NULL;
    }
    if (is_set(SELF(op))) {
        Py_RETURN_TRUE;
    }
    if (deadline == FT_NO_WAIT) {
        Py_RETURN_FALSE;
    }
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return NULL;
    }
    int outcome = ft_wait(&ops, &SELF(op)->event, thread, deadline);
    return outcome < 0 ? NULL : PyBool_FromLong(outcome);
}

static PyObject *
event_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    atomic_fetch_and(&SELF(op)->event.word, FT_EVENT_SET);
    Py_RETURN_NONE;
}

static PyObject *
event_repr(PyObject *op)
{
    Event *self = SELF(op);
    if (is_set(self)) {
        return PyUnicode_FromFormat("<%s set at %p>", ft_type_name(op), op);
    }
    const struct ft_golib *go = ft_golib();
    long long waiting = go != NULL ? go->ft_waiting(&self->event, FT_KIND_SHARED)
                                   : ft_count_waiting(&self->event, FT_KIND_SHARED);
    return PyUnicode_FromFormat("<%s unset waiters=%lld at %p>", ft_type_name(op), waiting, op);
}

static PyObject *
event_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return type->tp_alloc(type, 0);
}

static int
event_init(PyObject *Py_UNUSED(op), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    return PyArg_ParseTupleAndKeywords(args, kwargs, ":Event", names) ? 0 : -1;
}

PyDoc_STRVAR(event_doc,
"Event()\n--\n\n"
"A flag that threads can wait for: threading.Event.\n"
"\n"
"What was written before set() is seen by everybody whose wait it ends.");
PyDoc_STRVAR(is_set_doc, "is_set($self, /)\n--\n\nReturn whether the flag is set.");
PyDoc_STRVAR(is_set_old_doc, "isSet($self, /)\n--\n\nThe old name of is_set(); DeprecationWarning.");
PyDoc_STRVAR(set_doc, "set($self, /)\n--\n\nSet the flag; all who wait go on.");
PyDoc_STRVAR(clear_doc, "clear($self, /)\n--\n\nClear the flag; who waits from now on waits for the next set().");
PyDoc_STRVAR(wait_doc,
"wait($self, /, timeout=None)\n--\n\n"
"Wait until the flag is set, and return True; False when the time is over before.\n"
"\n"
"timeout is in seconds; None waits for as long as it takes. A set() ends the wait even\n"
"when a clear() follows at once. An exception from a signal handler ends it too.");
PyDoc_STRVAR(reinit_doc,
"_at_fork_reinit($self, /)\n--\n\n"
"Forget who waited, in a forked child (for os.register_at_fork).");

static PyMethodDef methods[] = {
    {"is_set", event_is_set, METH_NOARGS, is_set_doc},
    {"isSet", event_is_set_old, METH_NOARGS, is_set_old_doc},
    {"set", event_set, METH_NOARGS, set_doc},
    {"clear", event_clear, METH_NOARGS, clear_doc},
    {"wait", FT_FASTCALL(event_wait), METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"_at_fork_reinit", event_reinit, METH_NOARGS, reinit_doc},
    FT_REFUSE_PICKLE_METHOD,
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Event, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)event_doc},
    {Py_tp_new, event_new},
    {Py_tp_init, event_init},
    {Py_tp_dealloc, ft_object_dealloc},
    {Py_tp_repr, event_repr},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec ft_event_spec = {
    .name = "ft_utils.synchronization.Event",
    .basicsize = sizeof(Event),
    .flags = FT_LOCK_TYPE_FLAGS,
    .slots = slots,
};
