#include "objects/args.h"

#include "platform/os.h"

#include <math.h>

static int
seconds_of_float(double seconds, int64_t *ns)
{
    if (isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return -1;
    }
    double exact = seconds < 0 ? floor(seconds * 1e9) : ceil(seconds * 1e9);
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

int
ft_gather(const char *method, const char *const *names, int n, PyObject *const *args,
          Py_ssize_t nargs, PyObject *kwnames, PyObject **found)
{
    Py_ssize_t nkw = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs + nkw > n) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d argument%s (%zd given)", method, n,
                     n == 1 ? "" : "s", nargs + nkw);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        found[i] = args[i];
    }
    for (Py_ssize_t k = 0; k < nkw; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        int i = 0;
        while (i < n && !PyUnicode_EqualToUTF8(name, names[i])) {
            i++;
        }
        if (i == n) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", method, name);
            return -1;
        }
        if (found[i] != NULL) {
            PyErr_Format(PyExc_TypeError, "argument for %s() given by name ('%U') and position (%d)",
                         method, name, i + 1);
            return -1;
        }
        found[i] = args[nargs + k];
    }
    return 0;
}

int
ft_parse_acquire(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *deadline)
{
    static const char *const names[] = {"blocking", "timeout"};
    PyObject *found[2] = {NULL, NULL};
    int blocking = 1;
    int64_t timeout = -1000000000;
    if (ft_gather("acquire", names, 2, args, nargs, kwnames, found) < 0
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

/* ---- the family's other signatures ---- */

int
ft_parse_timeout(PyObject *timeout, int64_t *deadline)
{
    int64_t ns;
    *deadline = FT_FOREVER;
    if (timeout == NULL || timeout == Py_None) {
        return 0;
    }
    if (ft_parse_seconds(timeout, &ns) < 0) {
        return -1;
    }
    if (ns / 1000 >= PY_TIMEOUT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return -1;
    }
    if (ns <= 0) {
        *deadline = FT_NO_WAIT;
    }
    else if (__builtin_add_overflow(ft_os_now(), ns, deadline)) {
        *deadline = FT_FOREVER;
    }
    return 0;
}

int
ft_parse_wait(const char *method, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
              int64_t *deadline)
{
    static const char *const names[] = {"timeout"};
    PyObject *found[1] = {NULL};
    if (ft_gather(method, names, 1, args, nargs, kwnames, found) < 0) {
        return -1;
    }
    return ft_parse_timeout(found[0], deadline);
}
