#include "objects/chain.h"

/* Programs can make rings of contexts, which no walk may follow for ever. What is longer counts
 * as a ring. */
#define LONGEST_CHAIN 1000

/* Of `from` and those behind it, the one with `wanted` as its context; NULL as wanted finds the
 * last one. A new reference, NULL when there is none. */
static PyObject *
find_before(PyObject *from, PyObject *wanted)
{
    PyObject *each = Py_NewRef(from);
    for (int steps = 0; each != NULL && steps < LONGEST_CHAIN; steps++) {
        PyObject *context = PyException_GetContext(each);
        if (context == wanted) {
            Py_XDECREF(context);
            return each;
        }
        Py_SETREF(each, context);
    }
    Py_XDECREF(each);
    return NULL;
}

static bool
is_in(PyObject *chain, PyObject *wanted)
{
    PyObject *before = chain == wanted ? Py_NewRef(chain) : find_before(chain, wanted);
    Py_XDECREF(before);
    return before != NULL;
}

/* Where the chain of `set` ends, or goes on as that of `raised` does: both have behind them
 * what was handled before. In a ring it is `set` itself, which breaks it. A new reference. */
static PyObject *
find_end(PyObject *set, PyObject *raised)
{
    PyObject *each = Py_NewRef(set);
    for (int steps = 0; steps < LONGEST_CHAIN; steps++) {
        PyObject *context = PyException_GetContext(each);
        if (context == NULL || is_in(raised, context)) {
            Py_XDECREF(context);
            return each;
        }
        Py_SETREF(each, context);
    }
    Py_DECREF(each);
    return Py_NewRef(set);
}

void
ft_chain(PyObject *raised)
{
    PyObject *set = raised == NULL ? NULL : PyErr_GetRaisedException();
    if (set != NULL && set != raised) {
        PyObject *before = find_before(raised, set); /* an older exception, raised once more: no ring */
        if (before != NULL) {
            PyException_SetContext(before, NULL);
            Py_DECREF(before);
        }
        PyObject *end = find_end(set, raised);
        PyException_SetContext(end, Py_NewRef(raised));
        Py_DECREF(end);
    }
    if (set != NULL) {
        PyErr_SetRaisedException(set);
    }
    Py_XDECREF(raised);
}
