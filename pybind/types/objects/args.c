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

/* To nanoseconds, rounded up: -1 and OverflowError, TypeError or ValueError. */
static int
parse_seconds(PyObject *seconds, int64_t *ns)
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

/* The longest wait that CPython's locks take, in microseconds, rounded up as there. */
static int
check_longest(int64_t ns)
{
    if (ns / 1000 + (ns % 1000 != 0) > PY_TIMEOUT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return -1;
    }
    return 0;
}

int64_t
ft_deadline_in(int64_t ns)
{
    int64_t deadline;
    if (ns == 0) {
        return FT_NO_WAIT;
    }
    return ns == FT_FOREVER || __builtin_add_overflow(ft_os_now(), ns, &deadline) ? FT_FOREVER : deadline;
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

/* Into a deadline: FT_NO_WAIT, FT_FOREVER or a point of CLOCK_MONOTONIC. 0, or -1 with the
 * exception set that threading.Lock would raise. */
static int
parse_acquire(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *deadline)
{
    static const char *const names[] = {"blocking", "timeout"};
    PyObject *found[2] = {NULL, NULL};
    return ft_gather("acquire", names, 2, args, nargs, kwnames, found) < 0
               ? -1
               : ft_parse_deadline(found[0], found[1], deadline);
}

int
ft_parse_deadline(PyObject *is_blocking, PyObject *seconds, int64_t *deadline)
{
    int blocking = 1;
    int64_t timeout = -1000000000;
    if ((is_blocking != NULL && (blocking = PyObject_IsTrue(is_blocking)) < 0)
        || (seconds != NULL && parse_seconds(seconds, &timeout) < 0)) {
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
    if (!forever && check_longest(timeout) < 0) {
        return -1;
    }
    *deadline = !blocking ? FT_NO_WAIT : ft_deadline_in(forever ? FT_FOREVER : timeout);
    return 0;
}

PyObject *
ft_acquire_as_told(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, ft_take_fn *take)
{
    int64_t deadline;
    return parse_acquire(args, nargs, kwnames, &deadline) < 0 ? NULL : ft_bool(take(op, deadline));
}

/* ---- numbers of any type ---- */

/* Whether a number that is not negative is whole: as ft_whole_from. */
static int
whole(PyObject *number, uint64_t *n)
{
    PyObject *integer = PyNumber_Long(number);
    if (integer == NULL) { /* infinity, NaN, or what only looks like a number */
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            return -1; /* a signal handler's, while Python code computed it */
        }
        PyErr_Clear();
        return 0;
    }
    int same = PyLong_Check(number) ? 1 : PyObject_RichCompareBool(integer, number, Py_EQ);
    *n = same > 0 ? PyLong_AsUnsignedLongLong(integer) : 0;
    if (*n == UINT64_MAX && PyErr_Occurred()) {
        PyErr_Clear();
    }
    Py_DECREF(integer);
    return same;
}

static int
compare(PyObject *number, long limit, int how)
{
    PyObject *other = PyLong_FromLong(limit);
    int truth = other == NULL ? -1 : PyObject_RichCompareBool(number, other, how);
    Py_XDECREF(other);
    return truth;
}

int
ft_whole_from(long least, PyObject *number, const char *complaint, uint64_t *n)
{
    int less = compare(number, least, Py_LT);
    if (less > 0) {
        PyErr_SetString(PyExc_ValueError, complaint);
    }
    return less != 0 ? -1 : whole(number, n);
}

int
ft_countdown(PyObject *n, uint64_t *steps)
{
    *steps = 0;
    int positive = compare(n, 0, Py_GT);
    int is_whole = positive > 0 ? whole(n, steps) : positive;
    if (positive <= 0 || is_whole != 0) {
        return is_whole < 0 ? -1 : 0;
    }
    PyObject *floor = PyNumber_Long(n);
    if (floor == NULL && PyErr_ExceptionMatches(PyExc_OverflowError)) { /* infinity */
        PyErr_Clear();
        *steps = UINT64_MAX;
        return 0;
    }
    *steps = floor == NULL ? 0 : PyLong_AsUnsignedLongLong(floor) + 1; /* one more for the fraction */
    Py_XDECREF(floor);
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- timeouts of None or seconds ---- */

int
ft_judge_timeout(PyObject *timeout, int64_t *ns)
{
    *ns = FT_FOREVER;
    if (timeout == NULL || timeout == Py_None) {
        return 0;
    }
    int positive = PyFloat_CheckExact(timeout) ? PyFloat_AS_DOUBLE(timeout) > 0 : compare(timeout, 0, Py_GT);
    if (positive <= 0) {
        *ns = 0;
        return positive;
    }
    return parse_seconds(timeout, ns) < 0 ? -1 : check_longest(*ns);
}

int
ft_parse_limit(PyObject *timeout, int64_t *ns)
{
    if (!PyFloat_Check(timeout) && !PyIndex_Check(timeout)) {
        PyErr_Format(PyExc_TypeError, "timeout must be a number of seconds, not %T", timeout);
        return -1;
    }
    if (parse_seconds(timeout, ns) < 0) {
        return -1;
    }
    if (*ns < 0) {
        PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
        return -1;
    }
    return check_longest(*ns);
}

int
ft_check_end(PyObject *timeout)
{
    if (timeout == NULL || timeout == Py_None) {
        return 0;
    }
    PyObject *now = PyFloat_FromDouble((double)ft_os_now() * 1e-9);
    PyObject *end = now == NULL ? NULL : PyNumber_Add(now, timeout);
    Py_XDECREF(now);
    if (end == NULL) {
        return -1;
    }
    bool nan = PyFloat_Check(end) && isnan(PyFloat_AS_DOUBLE(end));
    Py_DECREF(end);
    if (nan) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number): the wait would never end");
        return -1;
    }
    return 0;
}

enum ft_outcome
ft_wait_with(const struct ft_wait_ops *ops, void *lock, PyObject *timeout)
{
    int64_t ns;
    if (ft_judge_timeout(timeout, &ns) < 0) {
        return FT_FAILED;
    }
    if (ns == 0) {
        return FT_TIMED_OUT;
    }
    struct ft_thread *self = ft_self();
    return self == NULL ? FT_FAILED : ft_wait(ops, lock, self, ft_deadline_in(ns));
}
