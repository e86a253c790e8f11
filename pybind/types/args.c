#include "args.h"

#include "os.h"
#include "wait.h"

#include <math.h>

static int
seconds_of_float(double seconds, int64_t *ns)
{
    if (isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return -1;
    }
    double exact = ceil(seconds * 1e9);
    if (exact >= 9223372036854775808.0 || exact < -9223372036854775808.0) {
        PyErr_SetString(PyExc_OverflowError, "timestamp out of range for C PyTime_t");
        return -1;
    }
    *ns = (int64_t)exact;
    return 0;
}

int
ft_parse_seconds(PyObject *seconds, int64_t *ns)
{
    if (PyFloat_Check(seconds)) {
        return seconds_of_float(PyFloat_AS_DOUBLE(seconds), ns);
    }
    long long whole = PyLong_AsLongLong(seconds);
    if ((whole == -1 && PyErr_Occurred()) || __builtin_mul_overflow(whole, 1000000000LL, ns)) {
        if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError, "timestamp too large to convert to C PyTime_t");
        }
        return -1;
    }
    return 0;
}

/* Puts the keyword arguments into their places. */
static int
gather(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject *found[2])
{
    static const char *const names[2] = {"blocking", "timeout"};
    Py_ssize_t nkw = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs + nkw > 2) {
        PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 arguments (%zd given)", nargs + nkw);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        found[i] = args[i];
    }
    for (Py_ssize_t k = 0; k < nkw; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        int i = PyUnicode_EqualToUTF8(name, names[0]) ? 0 : PyUnicode_EqualToUTF8(name, names[1]) ? 1 : -1;
        if (i < 0) {
            PyErr_Format(PyExc_TypeError, "acquire() got an unexpected keyword argument '%U'", name);
            return -1;
        }
        if (found[i] != NULL) {
            PyErr_Format(PyExc_TypeError, "argument for acquire() given by name ('%U') and position (%d)", name, i + 1);
            return -1;
        }
        found[i] = args[nargs + k];
    }
    return 0;
}

int
ft_parse_acquire(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *deadline)
{
    PyObject *found[2] = {NULL, NULL};
    int blocking = 1;
    int64_t timeout = -1000000000;
    if (gather(args, nargs, kwnames, found) < 0
        || (found[0] != NULL && (blocking = PyObject_IsTrue(found[0])) < 0)
        || (found[1] != NULL && ft_parse_seconds(found[1], &timeout) < 0)) {
        return -1;
    }
    bool forever = timeout == -1000000000;
    if (!blocking && !forever) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return -1;
    }
    if (timeout < 0 && !forever) {
        PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
        return -1;
    }
    if (!forever && timeout / 1000 >= PY_TIMEOUT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return -1;
    }
    if (!blocking || timeout == 0) {
        *deadline = FT_NO_WAIT;
        return 0;
    }
    if (forever || __builtin_add_overflow(ft_os_now(), timeout, deadline)) {
        *deadline = FT_FOREVER;
    }
    return 0;
}
