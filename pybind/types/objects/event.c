/* Event. The word: golib/locks/event.go.
 *
 * threading's is a flag under a Condition, _cond, which programs reach for: they hold it to
 * keep set() and clear() out, wait for it, notify it. Here it is made when somebody asks for
 * it, and from then on the event works as threading's does: set() and clear() hold its lock,
 * wait() waits for it. set() ends the waits that began before all the same. */
#include "objects/args.h"
#include "objects/chain.h"
#include "objects/condition.h"
#include "objects/exclusives.h"
#include "objects/naming.h"
#include "objects/patchable.h"
#include "objects/takes.h"
#include "objects/types.h"

typedef struct {
    FT_OBJECT_HEAD
    struct ft_event event;
    _Atomic(PyObject *) guard; /* _cond, a Condition over a Lock; NULL until asked for, then constant */
    PyObject *dict;
} Event;

FT_ASSERT_WORD(Event, event.word);

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
    .side = FT_SIDE_WAIT,
    .what = "Event",
};

static PyObject *
event_is_set(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_bool(is_set(SELF(op)));
}

static PyObject *
event_is_set_old(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyErr_WarnEx(PyExc_DeprecationWarning, "isSet() is deprecated, use is_set() instead", 1) < 0
               ? NULL
               : PyObject_CallMethod(op, "is_set", NULL);
}

/* ---- the flag alone ---- */

/* A thread waits. */
static FT_SLOW int
raise_flag_slow(Event *self)
{
    struct ft_thread *thread = ft_self();
    if (thread == NULL) {
        return -1;
    }
    const struct ft_golib *go = ft_golib();
    if (go != NULL) {
        ft_release_slow(go->ft_event_set, &self->event, thread);
    }
    else {
        atomic_store(&self->event.word, FT_EVENT_SET); /* the fallback sees it */
    }
    return 0;
}

static inline int
raise_flag(Event *self)
{
    return FT_LIKELY(ft_cas(&self->event.word, 0, FT_EVENT_SET)) || is_set(self) ? 0 : raise_flag_slow(self);
}

static inline void
lower_flag(Event *self)
{
    ft_cas(&self->event.word, FT_EVENT_SET, 0); /* a word with parked is clear */
}

static inline PyObject *
await_flag(Event *self, PyObject *timeout)
{
    return FT_LIKELY(is_set(self)) ? Py_True : ft_bool(ft_wait_with(&ops, &self->event, timeout));
}

int
ft_event_await(PyObject *op)
{
    return is_set(SELF(op)) ? FT_ACQUIRED : ft_wait_with(&ops, &SELF(op)->event, NULL);
}

/* ---- the flag under _cond ---- */

static inline PyObject *
lock_of(PyObject *guard)
{
    return ((Condition *)guard)->lock;
}

/* One that was cleared as garbage, before the event, guards nothing any more. */
static inline PyObject *
guard_of(Event *self)
{
    PyObject *guard = atomic_load(&self->guard);
    return FT_LIKELY(guard == NULL) || lock_of(guard) != NULL ? guard : NULL;
}

/* Releases the guard's lock; an exception that is on its way stays, or is the context of the one
 * that the release raises. Takes and returns the reference to result. */
static PyObject *
leave(PyObject *guard, PyObject *result)
{
    PyObject *raised = PyErr_GetRaisedException();
    if (ft_lock_give(lock_of(guard)) < 0) {
        ft_chain(raised);
        Py_CLEAR(result);
    }
    else {
        PyErr_SetRaisedException(raised);
    }
    return result;
}

static FT_SLOW PyObject *
set_guarded(Event *self, PyObject *guard)
{
    if (ft_lock_take(lock_of(guard), FT_FOREVER) < 0) {
        return NULL;
    }
    return leave(guard, raise_flag(self) < 0 ? NULL : PyObject_CallMethod(guard, "notify_all", NULL));
}

static FT_SLOW PyObject *
clear_guarded(Event *self, PyObject *guard)
{
    if (ft_lock_take(lock_of(guard), FT_FOREVER) < 0) {
        return NULL;
    }
    lower_flag(self);
    return leave(guard, Py_None);
}

static FT_SLOW PyObject *
wait_guarded(Event *self, PyObject *guard, PyObject *timeout)
{
    if (ft_lock_take(lock_of(guard), FT_FOREVER) < 0) {
        return NULL;
    }
    if (is_set(self)) {
        return leave(guard, Py_True);
    }
    return leave(guard, PyObject_CallMethod(guard, "wait", "(O)", timeout == NULL ? Py_None : timeout));
}

static PyObject *
event_get_cond(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *guard = guard_of(SELF(op));
    if (guard != NULL) {
        return Py_NewRef(guard);
    }
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    PyObject *lock = state == NULL ? NULL : PyObject_CallNoArgs((PyObject *)state->lock);
    PyObject *made = lock == NULL ? NULL : ft_condition_over(state, lock, &SELF(op)->event);
    Py_XDECREF(lock);
    if (made == NULL) {
        return NULL;
    }
    if (atomic_compare_exchange_strong(&SELF(op)->guard, &guard, made)) {
        return Py_NewRef(made);
    }
    Py_DECREF(made); /* another thread was first */
    return Py_NewRef(guard);
}

/* ---- methods ---- */

static PyObject *
event_set(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Event *self = SELF(op);
    PyObject *guard = guard_of(self);
    if (FT_UNLIKELY(guard != NULL)) {
        return set_guarded(self, guard);
    }
    if (FT_UNLIKELY(raise_flag(self) < 0)) {
        return NULL;
    }
    /* Made in the meantime: threads that wait for it may have looked before the flag was up. */
    if (FT_UNLIKELY((guard = guard_of(self)) != NULL)) {
        return set_guarded(self, guard);
    }
    Py_RETURN_NONE;
}

static PyObject *
event_clear(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PyObject *guard = guard_of(SELF(op));
    if (FT_UNLIKELY(guard != NULL)) {
        return clear_guarded(SELF(op), guard);
    }
    lower_flag(SELF(op));
    Py_RETURN_NONE;
}

static PyObject *
event_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *timeout, *guard = guard_of(SELF(op));
    if (ft_gather_one("wait", "timeout", args, nargs, kwnames, &timeout) < 0) {
        return NULL;
    }
    return FT_UNLIKELY(guard != NULL) ? wait_guarded(SELF(op), guard, timeout) : await_flag(SELF(op), timeout);
}

static PyObject *
event_reinit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PyObject *guard = guard_of(SELF(op));
    atomic_fetch_and(&SELF(op)->event.word, FT_EVENT_SET);
    return guard == NULL ? Py_None : PyObject_CallMethod(guard, "_at_fork_reinit", NULL);
}

static PyObject *
event_get_flag(PyObject *op, void *Py_UNUSED(closure))
{
    return ft_bool(is_set(SELF(op)));
}

/* For classes that have a set() or clear() of their own, which hold _cond. */
static int
event_set_flag(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete the flag of an Event");
        return -1;
    }
    int truth = PyObject_IsTrue(value);
    if (truth == 0) {
        lower_flag(SELF(op));
    }
    return truth > 0 ? raise_flag(SELF(op)) : truth;
}

static PyObject *
event_repr(PyObject *op)
{
    Event *self = SELF(op);
    PyObject *guard = guard_of(self);
    bool set = is_set(self);
    long long waiting = guard != NULL ? ft_condition_waiting(guard)
                        : set         ? 0
                                      : ft_waiting_for(&self->event, FT_KIND_SHARED);
    return ft_repr_state(op, waiting, PyUnicode_FromString(set ? "set" : "unset"));
}

/* ---- making ---- */

/* Called again it clears the flag, as threading's does; threads that wait go on waiting. */
static int
event_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *name;
    if (ft_name_alone(args, kwargs, "|$O:Event", &name) < 0 || ft_name_init(op, name) < 0) {
        return -1;
    }
    lower_flag(SELF(op));
    return 0;
}

static int
event_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(guard_of(SELF(op)));
    Py_VISIT(SELF(op)->dict);
    return 0;
}

/* The guard stays, since calls count on it: a cycle through it goes through its own dict. */
static int
event_clear_refs(PyObject *op)
{
    Py_CLEAR(SELF(op)->dict);
    return 0;
}

static void
event_dealloc(PyObject *op)
{
    ft_patchable_abandon(op, &SELF(op)->dict);
    PyObject *guard = guard_of(SELF(op));
    if (guard != NULL) {
        atomic_store(&((Condition *)guard)->event, NULL); /* a program may keep it */
        Py_DECREF(guard);
    }
    ft_lock_free(op);
}

/* ---- the type ---- */

PyDoc_STRVAR(event_doc,
"Event(*, name=None)\n--\n\n"
"A flag that threads can wait for: threading.Event.\n"
"\n"
"What was written before set() is seen by every thread whose wait it ends. name is what\n"
"reports call it: a str or None (TypeError).");

static PyMethodDef methods[] = {
    FT_NOARGS("is_set", event_is_set, "Return whether the flag is set."),
    FT_NOARGS("isSet", event_is_set_old, "The old name of is_set(); DeprecationWarning."),
    FT_NOARGS("set", event_set, "Set the flag; all threads that wait go on."),
    FT_NOARGS("clear", event_clear, "Clear the flag; threads that wait from now on wait for the next set()."),
    FT_KEYWORDS("wait", event_wait, "timeout=None",
                "Wait until the flag is set, and return True; False when the time is over before.\n"
                "\n"
                "timeout is in seconds; None waits for as long as it takes. A set() ends the wait even\n"
                "when a clear() follows at once. An exception from a signal handler ends it too.\n"
                "OverflowError or TypeError for a bad timeout, where it has to wait."),
    FT_AT_FORK_REINIT(event_reinit, "Forget the threads that waited"),
    FT_METHODS_END,
};

static PyGetSetDef getset[] = {
    FT_GETTER("_cond", event_get_cond,
              "The Condition that guards the flag. From the first time that it is asked for, set(),\n"
              "clear() and wait() use it, as threading's do: slower."),
    {"_flag", event_get_flag, event_set_flag, PyDoc_STR("Whether the flag is set."), NULL},
    FT_NAME_GETSET,
    FT_DICT_GETSET,
    {0},
};

static PyMemberDef members[] = FT_PATCHABLE_MEMBERS(Event);

static PyType_Slot slots[] = {
    FT_TYPE_SLOTS(event_doc, PyType_GenericNew, event_init, event_dealloc, event_repr, methods),
    FT_PATCHABLE_TYPE_SLOTS(event_traverse, event_clear_refs, getset, members),
    {0, NULL},
};

PyType_Spec ft_event_spec = FT_TYPE_SPEC("Event", Event, FT_PATCHABLE_TYPE_FLAGS, slots);
