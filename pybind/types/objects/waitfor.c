/* Condition.wait_for: the waits of a loop, with one timeout over all of them. */
#include "objects/args.h"
#include "objects/condition.h"
#include "objects/patchable.h"
#include "platform/os.h"

/* The timeout as it was given; judged when the first wait begins, which starts its time. */
struct limit {
    PyObject *timeout; /* NULL or None: there is none */
    bool begun;
    int64_t deadline;
};

static bool
is_timed(const struct limit *limit)
{
    return limit->timeout != NULL && limit->timeout != Py_None;
}

/* A wait by the method that the program has replaced ours by: it gets the seconds that are
 * left. */
static int
wait_by(PyObject *method, struct limit *limit)
{
    PyObject *seconds = limit->timeout;
    if (is_timed(limit) && limit->begun) {
        seconds = PyFloat_FromDouble((double)(limit->deadline - ft_os_now()) * 1e-9);
    }
    else if (is_timed(limit)) {
        double given = PyFloat_AsDouble(seconds);
        if (given == -1 && PyErr_Occurred()) {
            return -1;
        }
        double end = (double)ft_os_now() + given * 1e9;
        limit->deadline = end < (double)INT64_MAX ? (int64_t)end : FT_FOREVER;
        Py_INCREF(seconds);
    }
    else {
        seconds = Py_None;
    }
    limit->begun = true;
    PyObject *result = seconds == NULL ? NULL : PyObject_CallOneArg(method, seconds);
    Py_XDECREF(seconds);
    return ft_drop(result) < 0 ? -1 : 1;
}

static int
wait_by_our_own(PyObject *op, struct limit *limit)
{
    struct ft_thread *thread = ft_self();
    if (thread == NULL || ft_condlock_check_told((Condition *)op, thread, "wait") < 0) {
        return -1;
    }
    if (!limit->begun) {
        int64_t ns;
        if (ft_judge_timeout(limit->timeout, &ns) < 0) {
            return -1;
        }
        limit->deadline = ns == 0 ? ft_os_now() : ft_deadline_in(ns);
        limit->begun = true;
    }
    return ft_condition_wait_until(op, thread, limit->deadline) < 0 ? -1 : 1;
}

/* 1 after a wait, 0 when there is no time left, -1 with an exception set. */
static int
wait_once(PyObject *op, struct limit *limit)
{
    if (limit->begun && is_timed(limit) && ft_os_now() >= limit->deadline) {
        return 0;
    }
    if (!limit->begun && ft_check_end(limit->timeout) < 0) {
        return -1;
    }
    PyObject *method = NULL;
    int own = ft_condition_unpatched(op) ? 1 : ft_own_method(op, "wait", FT_FASTCALL(ft_condition_wait), &method);
    if (own != 0) {
        return own < 0 ? -1 : wait_by_our_own(op, limit);
    }
    int outcome = wait_by(method, limit);
    Py_DECREF(method);
    return outcome;
}

PyObject *
ft_condition_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"predicate", "timeout"};
    PyObject *found[2] = {NULL, NULL};
    if (ft_gather("wait_for", names, 2, args, nargs, kwnames, found) < 0) {
        return NULL;
    }
    if (found[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "wait_for() missing its argument, predicate");
        return NULL;
    }
    if (((Condition *)op)->lock == NULL) {
        return ft_refuse_unmade(op);
    }
    struct limit limit = {.timeout = found[1], .deadline = FT_FOREVER};
    for (;;) {
        PyObject *result = PyObject_CallNoArgs(found[0]);
        int truth = result == NULL ? -1 : PyObject_IsTrue(result);
        int waited = truth != 0 ? 0 : wait_once(op, &limit);
        if (truth < 0 || waited < 0) {
            Py_CLEAR(result);
        }
        if (waited <= 0) {
            return result;
        }
        Py_DECREF(result);
    }
}
