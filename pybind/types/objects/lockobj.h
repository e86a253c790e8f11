/* What the Python types of the locks have in common: how an object begins, what its methods
 * return, and the tables that a type is made of. */
#ifndef FT_LOCKOBJ_H
#define FT_LOCKOBJ_H

#include "core/names.h"
#include "core/record.h"
#include "core/wait.h"

/* ---- objects ---- */

/* Every lock object begins like this, and its word comes next. Go knows a lock by the address
 * of the word, so that address tells the object (snapshot). */
#define FT_OBJECT_HEAD \
    PyObject_HEAD      \
    PyObject *weakrefs;

struct ft_object_head {
    FT_OBJECT_HEAD
};

_Static_assert(sizeof(struct ft_object_head) == FT_WORD_OFFSET, "core/wait.h counts on it");

#define FT_ASSERT_WORD(type, word) \
    _Static_assert(offsetof(type, word) == FT_WORD_OFFSET, "snapshot() counts on it")

/* The word of an object, by which the queues and the table of names know it. */
static inline const void *
ft_word_address(PyObject *op)
{
    return (const char *)op + FT_WORD_OFFSET;
}

/* Ends the dealloc of an object; the type-specific part is done. */
FT_INLINE void
ft_object_free(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
#if FT_COLLECTED
    PyObject_GC_UnTrack(op); /* does nothing a second time */
#endif
    if (((struct ft_object_head *)op)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    ft_names_end(ft_word_address(op));
    type->tp_free(op);
    Py_DECREF(type);
}

/* The same for a lock. */
FT_INLINE void
ft_lock_free(PyObject *op)
{
    ft_inspect_await();
    ft_record_gone((const char *)op + FT_WORD_OFFSET);
    ft_object_free(op);
}

/* The dealloc of a type without a part of its own. */
void ft_object_dealloc(PyObject *op);

/* Raises RuntimeError for an object that was made by __new__ alone. Returns NULL. */
PyObject *ft_refuse_unmade(PyObject *op);

/* The name of an object's type without the module. Borrowed from the type. */
const char *ft_type_name(PyObject *op);

/* How a repr names the object: what it is, and the name of the lock if it has one, as in
 * "IntervalLock 'accounts'". It is `type` and `more` together. NULL with an exception set. */
PyObject *ft_named(PyObject *op, const char *type, const char *more);

/* The two below take the reference to `named`, which may be NULL with an exception set: then so
 * is the result. format has "%U" for it; that of
 * the first has "%p" for the address after it. */
PyObject *ft_repr_free(PyObject *op, const char *format, PyObject *named);

/* "<format owner=…more waiters=… at 0x…>", with the ident of the word's owner, or "ended". */
PyObject *ft_repr_owned(PyObject *op, const char *format, PyObject *named, uint64_t word, const char *more,
                        long long waiting);

/* What those of threading's classes say that print "<module.Name at 0x…: state>", with the
 * number of waiters before the colon when there are any. It takes the reference to state,
 * which may be NULL with an exception set: then so is the result. */
PyObject *ft_repr_state(PyObject *op, long long waiting, PyObject *state);

/* ---- what methods return ---- */

/* None, or NULL when the outcome is -1: an exception is set. */
FT_INLINE PyObject *
ft_none(int outcome)
{
    return FT_LIKELY(outcome >= 0) ? Py_None : NULL;
}

/* True or False, or NULL when the outcome is -1: an exception is set. */
FT_INLINE PyObject *
ft_bool(int outcome)
{
    return FT_UNLIKELY(outcome < 0) ? NULL : outcome > 0 ? Py_True
                                                         : Py_False;
}

/* Drops what a call gave: 0, or -1 when it raised. */
static inline int
ft_drop(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* ---- tables: the methods ----
 *
 * Each is an entry of a PyMethodDef. `text` is the docstring without the signature. */

#define FT_FASTCALL(f) ((PyCFunction)(void (*)(void))(f))

#define FT_NOARGS(name, f, text) {name, f, METH_NOARGS, PyDoc_STR(name "($self, /)\n--\n\n" text)}
#define FT_ONE_ARG(name, f, parameter, text) \
    {name, f, METH_O, PyDoc_STR(name "($self, " parameter ", /)\n--\n\n" text)}
#define FT_KEYWORDS(name, f, parameters, text)            \
    {name, FT_FASTCALL(f), METH_FASTCALL | METH_KEYWORDS, \
     PyDoc_STR(name "($self, /, " parameters ")\n--\n\n" text)}

/* An acquire as threading.Lock's, of "Take the lock". `more` says what else it raises. */
#define FT_ACQUIRE(name, f, what, more)                                                                        \
    FT_KEYWORDS(name, f, "blocking=True, timeout=-1",                                                          \
                what " and return True, or return False.\n"                                                    \
                     "\n"                                                                                      \
                     "timeout is in seconds; -1 waits for as long as it takes. With blocking=False, or when\n" \
                     "the time is over, False: nothing has changed, and it says no more than that the lock\n"  \
                     "could not be had at some moment. ValueError for another negative timeout, and for a\n"   \
                     "timeout with blocking=False; OverflowError for one above threading.TIMEOUT_MAX.\n" more)
#define FT_EXIT(f, text)                        \
    {"__exit__", FT_FASTCALL(f), METH_FASTCALL, \
     PyDoc_STR("__exit__($self, exc_type=None, exc_value=None, traceback=None, /)\n--\n\n" text)}
#define FT_LOCKED(f, what) FT_NOARGS("locked", f, "Return whether " what "; it may be outdated at once.")
#define FT_IS_OWNED(f, what) \
    FT_NOARGS("_is_owned", f, "Return whether this thread holds " what " (for threading.Condition).")
#define FT_FREE_TEXT "Make the lock free, whichever thread holds it"
#define FT_AT_FORK_REINIT(f, what) \
    FT_NOARGS("_at_fork_reinit", f, what ", in a forked child (for os.register_at_fork).")

/* The end of every table of methods. A lock refuses to be pickled and copied, unless it is of a subclass
 * that says itself what its state is. */
PyObject *ft_reduce(PyObject *self, PyObject *protocol);
#define FT_REDUCE_TEXT                                                                  \
    "Raise TypeError: a lock cannot be pickled or copied. One of a subclass that has\n" \
    "__getstate__ or __reduce__ can; its __setstate__ calls __init__."
#define FT_METHODS_END FT_ONE_ARG("__reduce_ex__", ft_reduce, "protocol", FT_REDUCE_TEXT), {0}

/* An entry of a PyGetSetDef that is only read. */
#define FT_GETTER(name, f, text) {name, f, NULL, PyDoc_STR(text), NULL}

/* ---- tables: the type ---- */

/* The slots of every type. */
#define FT_TYPE_SLOTS(doc, new, init, dealloc, repr, methods)                                   \
    {Py_tp_doc, (void *)(doc)}, {Py_tp_new, new}, {Py_tp_init, init}, {Py_tp_dealloc, dealloc}, \
        {Py_tp_repr, repr}, { Py_tp_methods, methods }

/* Every object can be weakly referenced; this is all that a type without a dict has. */
extern PyMemberDef ft_members[];

#define FT_LOCK_TYPE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE)

/* Lock, RLock, IntervalLock and ReaderWriterLock refer to nothing. The collector knows of them
 * only where that lets threads share them at a lower price (FT_COLLECTED). */
#if FT_COLLECTED
int ft_object_traverse(PyObject *op, visitproc visit, void *arg);
#define FT_PLAIN_TYPE_FLAGS (FT_LOCK_TYPE_FLAGS | Py_TPFLAGS_HAVE_GC)
#define FT_PLAIN_TYPE_SLOTS \
    {Py_tp_members, ft_members}, { Py_tp_traverse, ft_object_traverse }
#else
#define FT_PLAIN_TYPE_FLAGS FT_LOCK_TYPE_FLAGS
#define FT_PLAIN_TYPE_SLOTS {Py_tp_members, ft_members}
#endif

#define FT_TYPE_SPEC(type_name, struct_type, type_flags, type_slots) \
    {                                                                \
        .name = "ft_utils.synchronization." type_name,               \
        .basicsize = sizeof(struct_type),                            \
        .flags = type_flags,                                         \
        .slots = type_slots,                                         \
    }

#endif
