#include "objects/oddcount.h"

PyObject *
ft_odd_new(PyObject *value, bool bounded)
{
    return PyTuple_Pack(2, value, bounded ? value : Py_None);
}

/* A new reference, or NULL with an exception set. */
static PyObject *
current(PyObject *op, PyObject **odd)
{
    PyObject *now;
    (void)op; /* with the GIL a critical section is nothing */
    Py_BEGIN_CRITICAL_SECTION(op);
    now = Py_XNewRef(*odd);
    Py_END_CRITICAL_SECTION();
    if (now == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the semaphore was initialized again meanwhile");
    }
    return now;
}

/* Replaces `old` by `new`, if it is still the value. */
static bool
replace(PyObject *op, PyObject **odd, PyObject *old, PyObject *new)
{
    bool same;
    (void)op;
    Py_BEGIN_CRITICAL_SECTION(op);
    same = *odd == old;
    if (same) {
        __atomic_store_n(odd, Py_NewRef(new), __ATOMIC_RELEASE);
    }
    Py_END_CRITICAL_SECTION();
    if (same) {
        Py_DECREF(old); /* the reference that *odd had */
    }
    return same;
}

/* The tuple after a step, NULL with an exception set, or Py_None: that exceeds the bound. */
static PyObject *
after_step(PyObject *old, PyObject *step, bool up)
{
    PyObject *bound = PyTuple_GET_ITEM(old, 1);
    PyObject *value = PyNumber_Add(PyTuple_GET_ITEM(old, 0), step);
    if (value == NULL) {
        return NULL;
    }
    int exceeds = up && bound != Py_None ? PyObject_RichCompareBool(value, bound, Py_GT) : 0;
    PyObject *new = exceeds < 0 ? NULL : exceeds ? Py_None
                                                 : PyTuple_Pack(2, value, bound);
    Py_DECREF(value);
    return new;
}

int
ft_odd_add(PyObject *op, PyObject **odd, long long step)
{
    PyObject *number = PyLong_FromLongLong(step);
    int outcome = -1;
    while (number != NULL && outcome < 0) {
        PyObject *old = current(op, odd);
        PyObject *new = old == NULL ? NULL : after_step(old, number, step > 0);
        if (new == NULL) {
            Py_XDECREF(old);
            break;
        }
        outcome = new == Py_None ? 0 : replace(op, odd, old, new) ? 1
                                                                  : -1;
        Py_DECREF(new);
        Py_DECREF(old);
    }
    Py_XDECREF(number);
    return outcome;
}

static PyObject *
item(PyObject *op, PyObject **odd, Py_ssize_t which)
{
    PyObject *now = current(op, odd);
    PyObject *found = now == NULL ? NULL : Py_NewRef(PyTuple_GET_ITEM(now, which));
    Py_XDECREF(now);
    return found;
}

PyObject *
ft_odd_value(PyObject *op, PyObject **odd)
{
    return item(op, odd, 0);
}

PyObject *
ft_odd_bound(PyObject *op, PyObject **odd)
{
    return item(op, odd, 1);
}
