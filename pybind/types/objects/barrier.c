/* Barrier: the type. What its files share: barrier.h. */
#include "objects/barrier.h"

#include "objects/args.h"
#include "objects/naming.h"
#include "objects/patchable.h"
#include "objects/types.h"

FT_ASSERT_WORD(Barrier, barrier.word);

#define SELF(op) ((Barrier *)(op))

/* ---- methods ---- */

static PyObject *
end_round(PyObject *op, bool broken)
{
    struct ft_thread *thread = ft_self();
    if (SELF(op)->timeout == NULL) {
        return ft_refuse_unmade(op);
    }
    if (thread == NULL) {
        return NULL;
    }
    ft_barrier_end_round(SELF(op), thread, broken);
    Py_RETURN_NONE;
}

static PyObject *
barrier_reset(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return end_round(op, false);
}

static PyObject *
barrier_abort(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return end_round(op, true);
}

static PyObject *
barrier_get_parties(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(SELF(op)->barrier.parties);
}

/* While the action runs the word counts the others; the last party, which runs it, waits too. */
static uint64_t
waiting(Barrier *self)
{
    uint64_t s = ft_barrier_load(self);
    return (s & BEING_ENDED) != 0 ? 0 : (s >> FT_OWNER_SHIFT) + ((s & FT_BARRIER_FULL) != 0);
}

static PyObject *
barrier_get_n_waiting(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(waiting(SELF(op)));
}

static PyObject *
barrier_get_broken(PyObject *op, void *Py_UNUSED(closure))
{
    return ft_bool((ft_barrier_load(SELF(op)) & FT_BARRIER_BROKEN) != 0);
}

/* As far as can be told: a barrier that is full or being reset is on its way to 0. */
static PyObject *
barrier_get_state(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong((ft_barrier_load(SELF(op)) & FT_BARRIER_BROKEN) != 0 ? -2 : 0);
}

static PyObject *
barrier_get_action(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(SELF(op)->action == NULL ? Py_None : SELF(op)->action);
}

static PyObject *
barrier_get_timeout(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(SELF(op)->timeout == NULL ? Py_None : SELF(op)->timeout);
}

static PyObject *
barrier_repr(PyObject *op)
{
    Barrier *self = SELF(op);
    unsigned long long parties = self->barrier.parties;
    if ((ft_barrier_load(self) & FT_BARRIER_BROKEN) != 0) {
        return ft_repr_state(op, 0, PyUnicode_FromString("broken"));
    }
    return ft_repr_state(op, 0, PyUnicode_FromFormat("waiters=%llu/%llu", (unsigned long long)waiting(self), parties));
}

/* ---- making ---- */

/* threading only compares the number. One that arrivals cannot come to is refused, since
 * all would wait for ever. */
static int
parse_parties(PyObject *given, uint64_t *parties)
{
    int is_whole = ft_whole_from(1, given, "parties must be >= 1", parties);
    if (is_whole == 0) {
        PyErr_Format(PyExc_TypeError, "parties must be a whole number, not %R: nobody would ever pass", given);
    }
    else if (is_whole > 0 && *parties > UINT64_MAX >> FT_OWNER_SHIFT) {
        PyErr_SetString(PyExc_OverflowError, "parties must be less than 2**56: nobody would ever pass");
        is_whole = -1;
    }
    return is_whole > 0 ? 0 : -1;
}

static int
barrier_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"parties", "action", "timeout", "name", NULL};
    PyObject *given, *action = Py_None, *timeout = Py_None, *name = NULL;
    struct ft_known *made;
    uint64_t parties;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO$O:Barrier", names, &given, &action, &timeout, &name)
        || parse_parties(given, &parties) < 0) {
        return -1;
    }
    int called = PyObject_IsTrue(action); /* threading asks at each round; the answer does not change */
    if (called < 0 || ft_name_make(name, &made) < 0) {
        return -1;
    }
    bool late;
    Py_BEGIN_CRITICAL_SECTION(op); /* two threads may call this at the same time */
    late = SELF(op)->timeout != NULL;
    if (!late) {
        SELF(op)->barrier.parties = parties;
        SELF(op)->action = called ? Py_NewRef(action) : NULL;
        SELF(op)->timeout = Py_NewRef(timeout);
    }
    Py_END_CRITICAL_SECTION();
    if (late) {
        ft_name_drop(made);
        PyErr_SetString(PyExc_RuntimeError, "this Barrier is made already; make another one");
        return -1;
    }
    ft_name_begin(op, name, made);
    return 0;
}

static int
barrier_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(SELF(op)->action);
    Py_VISIT(SELF(op)->timeout);
    Py_VISIT(SELF(op)->dict);
    return 0;
}

static int
barrier_clear(PyObject *op)
{
    Py_CLEAR(SELF(op)->action);
    Py_XDECREF(atomic_exchange(&SELF(op)->timeout, NULL));
    Py_CLEAR(SELF(op)->dict);
    return 0;
}

static void
barrier_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, barrier_dealloc) /* an action may be the wait() of another, and so on */
    ft_patchable_abandon(op, &SELF(op)->dict);
    barrier_clear(op);
    ft_lock_free(op);
    Py_TRASHCAN_END
}

/* ---- the type ---- */

PyDoc_STRVAR(barrier_doc,
"Barrier(parties, action=None, timeout=None, *, name=None)\n--\n\n"
"A meeting point for a fixed number of threads: threading.Barrier.\n"
"\n"
"parties is a whole number and at least 1 (TypeError, ValueError). action is called by the\n"
"last party of each round, before the others go on. timeout, in seconds, is the default\n"
"of wait(). What the parties did before they arrived is seen by all after it. name is\n"
"what reports call it: a str or None (TypeError).");

static PyMethodDef methods[] = {
    FT_KEYWORDS("wait", ft_barrier_wait, "timeout=None",
                "Wait until all parties have arrived; return this one's number, from 0 to parties - 1.\n"
                "\n"
                "timeout is in seconds; None takes the barrier's own. BrokenBarrierError when the\n"
                "barrier is broken, is reset, or the time is over, which breaks it. An exception of the\n"
                "action goes to the party that ran it, and breaks the barrier. An exception from a signal\n"
                "handler ends the wait; the others wait on. OverflowError, TypeError or ValueError (NaN)\n"
                "for a bad timeout, where it has to wait; nothing has changed then."),
    FT_NOARGS("reset", barrier_reset, "Make the barrier as new; parties that wait get BrokenBarrierError."),
    FT_NOARGS("abort", barrier_abort,
              "Break the barrier; parties that wait, and those that come before a reset(), get\n"
              "BrokenBarrierError."),
    FT_METHODS_END,
};

static PyGetSetDef getset[] = {
    FT_GETTER("parties", barrier_get_parties, "The number of threads that meet."),
    FT_GETTER("n_waiting", barrier_get_n_waiting, "The number of threads that wait now."),
    FT_GETTER("broken", barrier_get_broken, "Whether the barrier is broken."),
    FT_GETTER("_parties", barrier_get_parties, "The same as parties."),
    FT_GETTER("_count", barrier_get_n_waiting, "The same as n_waiting."),
    FT_GETTER("_state", barrier_get_state, "-2 when the barrier is broken, else 0."),
    FT_GETTER("_action", barrier_get_action, "What the last party of a round calls, or None."),
    FT_GETTER("_timeout", barrier_get_timeout, "The timeout of wait() in seconds, or None."),
    FT_NAME_GETSET,
    FT_DICT_GETSET,
    {0},
};

static PyMemberDef members[] = FT_PATCHABLE_MEMBERS(Barrier);

static PyType_Slot slots[] = {
    FT_TYPE_SLOTS(barrier_doc, PyType_GenericNew, barrier_init, barrier_dealloc, barrier_repr, methods),
    FT_PATCHABLE_TYPE_SLOTS(barrier_traverse, barrier_clear, getset, members),
    {0, NULL},
};

PyType_Spec ft_barrier_spec = FT_TYPE_SPEC("Barrier", Barrier, FT_PATCHABLE_TYPE_FLAGS, slots);
