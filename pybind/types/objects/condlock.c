#include "objects/condlock.h"

/* ---- foreign locks ---- */

int
ft_condlock_call_optional(Condition *self, const char *name, PyObject *arg, PyObject **result)
{
    PyObject *method;
    int found = PyObject_GetOptionalAttrString(self->lock, name, &method);
    if (found <= 0) {
        return found;
    }
    *result = arg == NULL ? PyObject_CallNoArgs(method) : PyObject_CallOneArg(method, arg);
    Py_DECREF(method);
    return *result == NULL ? -1 : 1;
}

int
ft_condlock_call(Condition *self, const char *name)
{
    PyObject *result = PyObject_CallMethod(self->lock, name, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* As threading.Condition: a lock that does not tell its owner is owned when it is taken. */
static int
foreign_is_owned(Condition *self)
{
    PyObject *result;
    int found = ft_condlock_call_optional(self, "_is_owned", NULL, &result);
    bool taken = false;
    if (found == 0) {
        result = PyObject_CallMethod(self->lock, "acquire", "O", Py_False);
        taken = true;
    }
    if (found < 0 || result == NULL) {
        return -1;
    }
    int truth = PyObject_IsTrue(result);
    Py_DECREF(result);
    if (!taken || truth < 0) {
        return truth;
    }
    return truth && ft_condlock_call(self, "release") < 0 ? -1 : !truth;
}

/* The thread is queued by now, and these methods may wait for anything. */
static int
foreign_release(Condition *self, struct ft_thread *thread, struct saved *saved)
{
    if (ft_seat_push(thread) < 0) {
        return -1;
    }
    int found = ft_condlock_call_optional(self, "_release_save", NULL, &saved->state);
    int failed = found == 0 ? ft_condlock_call(self, "release") : found < 0 ? -1 : 0;
    ft_seat_pop(thread);
    return failed;
}

static int
foreign_restore(Condition *self, struct saved *saved)
{
    PyObject *result = NULL;
    int found = saved->state == NULL ? 0
                                     : ft_condlock_call_optional(self, "_acquire_restore", saved->state, &result);
    Py_XDECREF(result);
    Py_CLEAR(saved->state);
    return found == 0 ? ft_condlock_call(self, "acquire") : found < 0 ? -1 : 0;
}

/* ---- the lock, whatever it is ---- */

int
ft_condlock_is_owned(Condition *self, struct ft_thread *thread)
{
    switch (self->kind) {
    case LOCK:
        return ft_exclusive_locked(word_of(self)); /* any thread may release it */
    case RLOCK:
    case INTERVAL:
        return ft_exclusive_owned(word_of(self), thread);
    case FOREIGN:
        break;
    }
    return foreign_is_owned(self);
}

int
ft_condlock_check_owned(Condition *self, struct ft_thread *thread, const char *doing)
{
    int owned = ft_condlock_is_owned(self, thread);
    if (owned == 0) {
        PyErr_Format(PyExc_RuntimeError, "cannot %s on un-acquired lock", doing);
    }
    return owned > 0 ? 0 : -1;
}

int
ft_condlock_release(Condition *self, struct ft_thread *thread, struct saved *saved,
             struct ft_waiter **chain)
{
    *chain = NULL;
    switch (self->kind) {
    case RLOCK:
        saved->depth = ft_rlock_depth(self->lock);
        ft_rlock_restore(self->lock, 0);
        /* fall through */
    case LOCK:
    case INTERVAL:
        *chain = ft_exclusive_yield(word_of(self), thread);
        return 0;
    case FOREIGN:
        break;
    }
    return foreign_release(self, thread, saved);
}

int
ft_condlock_retake(Condition *self, struct ft_thread *thread, struct saved *saved)
{
    if (self->kind == FOREIGN) {
        PyObject *raised = PyErr_GetRaisedException();
        int failed = foreign_restore(self, saved);
        if (failed < 0) {
            Py_XDECREF(raised);
            return -1;
        }
        PyErr_SetRaisedException(raised);
        return 0;
    }
    if (!ft_exclusive_lock_fast(word_of(self), thread)) {
        ft_wait_uninterruptibly(ops_of(self), word_of(self), thread);
    }
    return 0;
}
