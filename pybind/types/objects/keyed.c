/* KeyedLock: one lock a key, and KeyedContext: a handle on one of them. Each lock is an IntervalLock's
 * word with the default interval (locks/exclusive.h), in an entry of a table (objects/keytable.h). */
#include "objects/keyed.h"

#include "objects/args.h"
#include "objects/keytable.h"
#include "objects/naming.h"
#include "objects/types.h"
#include "objects/within.h"

typedef struct {
    FT_OBJECT_HEAD
    PyObject *keyed; /* NULL only when made by __new__ alone; else constant, as: */
    struct ft_keyed_entry *entry;
} Context;

#define KEYED(op) ((KeyedLock *)(op))
#define CONTEXT(op) ((Context *)(op))

/* ---- taking and releasing: by a user ---- */

static FT_SLOW int
take_slow(struct ft_keyed_entry *e, struct ft_thread *thread, int64_t deadline)
{
    if (deadline != FT_NO_WAIT && ft_exclusive_owned(&e->lock, thread)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this thread holds the lock of this key already; waiting for it would never end");
        return FT_FAILED;
    }
    return ft_exclusive_lock_slow(&ft_keyed_ops, &e->lock, thread, deadline);
}

static int
take(struct ft_keyed_entry *e, int64_t deadline)
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return FT_FAILED;
    }
    int outcome = FT_LIKELY(ft_exclusive_lock_fast(&e->lock, thread)) ? FT_ACQUIRED : take_slow(e, thread, deadline);
    if (FT_LIKELY(outcome == FT_ACQUIRED)) {
        ft_entry_use(e); /* as its holder */
    }
    return outcome;
}

static FT_SLOW int
refuse_release(bool locked)
{
    PyErr_SetString(PyExc_RuntimeError,
                    locked ? "cannot release the lock of a key that another thread holds; only its owner may"
                           : "cannot release the lock of a key that nobody holds");
    return -1;
}

static int
give(KeyedLock *self, struct ft_keyed_entry *e)
{
    struct ft_thread *thread = ft_self();
    if (FT_UNLIKELY(thread == NULL)) {
        return -1;
    }
    if (FT_UNLIKELY(!ft_exclusive_unlock(&e->lock, thread))) {
        return refuse_release(ft_exclusive_locked(&e->lock));
    }
    ft_entry_leave(self, e); /* as its holder */
    return 0;
}

/* ---- methods of the KeyedLock ---- */

static PyObject *
keyed_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "blocking", "timeout"};
    PyObject *found[3] = {NULL, NULL, NULL};
    int64_t deadline;
    if (ft_gather("acquire", names, 3, args, nargs, kwnames, found) < 0
        || ft_parse_deadline(found[1], found[2], &deadline) < 0) {
        return NULL;
    }
    if (found[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "acquire() needs a key");
        return NULL;
    }
    struct ft_keyed_entry *e = ft_entry_find_or_make(KEYED(op), found[0]);
    if (e == NULL) {
        return NULL;
    }
    int outcome = take(e, deadline);
    ft_entry_leave(KEYED(op), e);
    return ft_bool(outcome);
}

static PyObject *
keyed_release(PyObject *op, PyObject *key)
{
    struct ft_keyed_entry *e = ft_entry_find(KEYED(op), key);
    if (e == NULL) {
        return PyErr_Occurred() ? NULL : ft_none(refuse_release(false));
    }
    int outcome = give(KEYED(op), e);
    ft_entry_leave(KEYED(op), e);
    return ft_none(outcome);
}

static PyObject *
keyed_locked(PyObject *op, PyObject *key)
{
    struct ft_keyed_entry *e = ft_entry_find(KEYED(op), key);
    if (e == NULL) {
        return PyErr_Occurred() ? NULL : Py_False;
    }
    bool locked = ft_exclusive_locked(&e->lock);
    ft_entry_leave(KEYED(op), e);
    return ft_bool(locked);
}

static Py_ssize_t
keyed_length(PyObject *op)
{
    Py_ssize_t n;
    Py_BEGIN_CRITICAL_SECTION(op);
    n = (Py_ssize_t)KEYED(op)->n_entries;
    Py_END_CRITICAL_SECTION();
    return n;
}

static int
keyed_bool(PyObject *Py_UNUSED(op))
{
    return 1; /* whether or not it has keys */
}

static PyObject *
keyed_repr(PyObject *op)
{
    PyObject *named = ft_named(op, ft_type_name(op), "");
    PyObject *text = named == NULL ? NULL : PyUnicode_FromFormat("<%U keys=%zd at %p>", named, keyed_length(op), op);
    Py_XDECREF(named);
    return text;
}

static PyObject *
new_context(PyObject *op, PyObject *key)
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    struct ft_keyed_entry *e = state == NULL ? NULL : ft_entry_find_or_make(KEYED(op), key);
    PyTypeObject *type = e == NULL ? NULL : state->keyed_context;
    PyObject *context = e == NULL ? NULL : type->tp_alloc(type, 0);
    if (context == NULL) {
        if (e != NULL) {
            ft_entry_leave(KEYED(op), e);
        }
        return NULL;
    }
    CONTEXT(context)->keyed = Py_NewRef(op);
    CONTEXT(context)->entry = e;
    return context;
}

static PyObject *
keyed_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", NULL};
    PyObject *key;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:KeyedLock.__call__", names, &key)) {
        return NULL;
    }
    return new_context(op, key);
}

/* ---- methods of the KeyedContext ---- */

static struct ft_keyed_entry *
entry_of(PyObject *op)
{
    if (FT_UNLIKELY(CONTEXT(op)->entry == NULL)) {
        PyErr_Format(PyExc_RuntimeError,
                     "this %s was made by __new__ alone and has no key; call a KeyedLock with a key", ft_type_name(op));
    }
    return CONTEXT(op)->entry;
}

int
ft_keyed_take(PyObject *op, int64_t deadline)
{
    struct ft_keyed_entry *e = entry_of(op);
    return FT_LIKELY(e != NULL) ? take(e, deadline) : FT_FAILED;
}

int
ft_keyed_give(PyObject *op)
{
    struct ft_keyed_entry *e = entry_of(op);
    return FT_LIKELY(e != NULL) ? give(KEYED(CONTEXT(op)->keyed), e) : -1;
}

void
ft_keyed_settle(PyObject *op)
{
    ft_entry_use(CONTEXT(op)->entry);
}

static PyObject *
context_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return ft_acquire(op, args, nargs, kwnames, ft_keyed_take);
}

static PyObject *
context_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(ft_keyed_give(op));
}

static PyObject *
context_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return ft_none(ft_keyed_give(op));
}

static PyObject *
context_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_enter(op, ft_keyed_take);
}

FT_WITHIN_METHOD(context_within, ft_keyed_take, context_exit)

/* keyed.within(key, timeout) is keyed(key).within(timeout). */
static PyObject *
keyed_within(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "timeout"};
    PyObject *found[2] = {NULL, NULL};
    if (ft_gather("within", names, 2, args, nargs, kwnames, found) < 0) {
        return NULL;
    }
    if (found[0] == NULL || found[1] == NULL) {
        return PyErr_Format(PyExc_TypeError, "within() needs a key and a timeout in seconds");
    }
    PyObject *context = new_context(op, found[0]);
    PyObject *timed = context == NULL ? NULL : context_within(context, &found[1], 1, NULL);
    Py_XDECREF(context);
    return timed;
}

static PyObject *
context_locked(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_keyed_entry *e = entry_of(op);
    return e == NULL ? NULL : ft_bool(ft_exclusive_locked(&e->lock));
}

static PyObject *
context_get_key(PyObject *op, void *Py_UNUSED(closure))
{
    struct ft_keyed_entry *e = entry_of(op);
    return e == NULL ? NULL : Py_NewRef(e->key);
}

static PyObject *
context_get_keyed(PyObject *op, void *Py_UNUSED(closure))
{
    return entry_of(op) == NULL ? NULL : Py_NewRef(CONTEXT(op)->keyed);
}

static PyObject *
context_repr(PyObject *op)
{
    struct ft_keyed_entry *e = CONTEXT(op)->entry;
    if (e == NULL) {
        return PyUnicode_FromFormat("<%s without a key at %p>", ft_type_name(op), op);
    }
    uint64_t s = atomic_load(&e->lock.word);
    PyObject *named = PyUnicode_FromFormat("%s of %R", ft_type_name(op), e->key);
    if (s >> FT_OWNER_SHIFT == 0) {
        return ft_repr_free(op, "<%U unlocked at %p>", named);
    }
    return ft_repr_owned(op, "%U locked", named, s, "", ft_waiting_for(&e->lock, FT_KIND_EXCLUSIVE));
}

/* ---- making ---- */

static PyObject *
keyed_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *op = PyType_GenericNew(type, args, kwargs);
    if (op != NULL) {
        KEYED(op)->made_as = (PyTypeObject *)Py_NewRef(type);
    }
    return op;
}

/* To the locks of all keys, too: reports know them by their words alone. */
static int
give_name(PyObject *op, PyObject *given, bool begins)
{
    struct ft_known *made;
    if (ft_name_make(given, &made) < 0) {
        return -1;
    }
    made = begins ? ft_name_with_line(made) : made;
    if (!ft_entries_name(KEYED(op), made)) {
        ft_name_drop(made);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int
keyed_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *name;
    if (ft_name_alone(args, kwargs, "|$O:KeyedLock", &name) < 0) {
        return -1;
    }
    return name == NULL ? ft_name_init(op, NULL) : give_name(op, name, true);
}

static int
keyed_set_name(PyObject *op, PyObject *given, void *closure)
{
    return given == NULL ? ft_name_set(op, NULL, closure) : give_name(op, given, false);
}

static int
keyed_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(KEYED(op)->made_as);
    return ft_entries_traverse(KEYED(op), visit, arg);
}

static int
keyed_clear(PyObject *op)
{
    ft_entries_clear(KEYED(op));
    return 0;
}

/* A handle may be a key of another KeyedLock, however deep: the trashcan keeps the stack low. */
static void
keyed_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, keyed_dealloc)
    ft_entries_free(KEYED(op));
    Py_XDECREF(KEYED(op)->made_as); /* not before the entries are gone */
    ft_object_free(op);
    Py_TRASHCAN_END
}

static int
context_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"keyed", "key", NULL};
    PyObject *keyed, *key;
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O!O:KeyedContext", names, state->keyed, &keyed, &key)) {
        return -1;
    }
    struct ft_keyed_entry *e = ft_entry_find_or_make(KEYED(keyed), key);
    if (e == NULL) {
        return -1;
    }
    bool taken;
    Py_BEGIN_CRITICAL_SECTION(op); /* two threads may call this at the same time */
    taken = CONTEXT(op)->entry != NULL;
    if (!taken) {
        CONTEXT(op)->keyed = Py_NewRef(keyed);
        CONTEXT(op)->entry = e;
    }
    Py_END_CRITICAL_SECTION();
    if (taken) {
        PyErr_Format(PyExc_RuntimeError, "this %s has its key already; make another one", ft_type_name(op));
        ft_entry_leave(KEYED(keyed), e);
    }
    return taken ? -1 : 0;
}

static int
context_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(CONTEXT(op)->keyed);
    return 0;
}

static void
context_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, context_dealloc)
    if (CONTEXT(op)->entry != NULL) {
        ft_entry_leave(KEYED(CONTEXT(op)->keyed), CONTEXT(op)->entry);
    }
    Py_XDECREF(CONTEXT(op)->keyed);
    ft_object_free(op);
    Py_TRASHCAN_END
}

/* ---- the types ---- */

PyDoc_STRVAR(keyed_doc,
"KeyedLock(*, name=None)\n--\n\n"
"One mutual exclusion lock for each key, made when it is used and gone when it is free.\n"
"\n"
"keyed(key) is a handle on the lock of a key, for a with statement. Keys are hashable; equal\n"
"keys have one lock. Each is handed over as an IntervalLock with the default interval, and\n"
"belongs to the thread that took it. len() is the number of keys that are in use. name is what\n"
"reports call the locks of all keys: a str or None (TypeError).");

PyDoc_STRVAR(context_doc,
"KeyedContext(keyed, key)\n--\n\n"
"A reusable handle on the lock of one key of a KeyedLock; keyed(key) makes one.\n"
"\n"
"In a with block it holds that lock. Its key is in use as long as the handle exists.");

#define OWNER_TEXT "RuntimeError, and nothing changed, when this thread does not hold it."

static PyMethodDef keyed_methods[] = {
    FT_KEYWORDS("acquire", keyed_acquire, "key, blocking=True, timeout=-1",
                "Take the lock of a key and return True, or return False.\n"
                "\n"
                "timeout is in seconds, as for threading.Lock.acquire. RuntimeError when this thread holds\n"
                "it and would wait; TypeError for a key that cannot be hashed."),
    FT_ONE_ARG("release", keyed_release, "key", "Release the lock of a key.\n\n" OWNER_TEXT),
    FT_ONE_ARG("locked", keyed_locked, "key",
               "Return whether some thread holds the lock of a key; it may be outdated at once."),
    FT_KEYWORDS("within", keyed_within, "key, timeout",
                "Return keyed(key).within(timeout), a context that raises TimeoutError when the lock of\n"
                "the key cannot be had in that many seconds."),
    FT_METHODS_END,
};

static PyMethodDef context_methods[] = {
    FT_ACQUIRE("acquire", context_acquire, "Take the lock of the key",
               "RuntimeError when this thread holds it and would wait."),
    FT_NOARGS("release", context_release, "Release it.\n\n" OWNER_TEXT),
    FT_LOCKED(context_locked, "some thread holds it"),
    FT_WITHIN(context_within),
    FT_NOARGS("__enter__", context_enter, "Acquire, and return the handle."),
    FT_EXIT(context_exit, "Release."),
    FT_METHODS_END,
};

static PyGetSetDef context_getset[] = {
    FT_GETTER("key", context_get_key, "The key."),
    FT_GETTER("keyed", context_get_keyed, "The KeyedLock."),
    {0},
};

static PyGetSetDef keyed_getset[] = {
    {"name", ft_name_get, keyed_set_name, PyDoc_STR(FT_NAME_TEXT), NULL},
    {0},
};

static PyType_Slot keyed_slots[] = {
    FT_TYPE_SLOTS(keyed_doc, keyed_new, keyed_init, keyed_dealloc, keyed_repr, keyed_methods),
    {Py_tp_members, ft_members},
    {Py_tp_getset, keyed_getset},
    {Py_tp_traverse, keyed_traverse},
    {Py_tp_clear, keyed_clear},
    {Py_tp_call, keyed_call},
    {Py_mp_length, keyed_length},
    {Py_nb_bool, keyed_bool},
    {0, NULL},
};

static PyType_Slot context_slots[] = {
    FT_TYPE_SLOTS(context_doc, PyType_GenericNew, context_init, context_dealloc, context_repr, context_methods),
    {Py_tp_members, ft_members},
    {Py_tp_traverse, context_traverse},
    {Py_tp_getset, context_getset},
    {0, NULL},
};

#define TYPE_FLAGS (FT_LOCK_TYPE_FLAGS | Py_TPFLAGS_HAVE_GC)

PyType_Spec ft_keyed_spec = FT_TYPE_SPEC("KeyedLock", KeyedLock, TYPE_FLAGS, keyed_slots);
PyType_Spec ft_keyed_context_spec = FT_TYPE_SPEC("KeyedContext", Context, TYPE_FLAGS, context_slots);
