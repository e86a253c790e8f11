/* The lock of a Condition, whatever it is. */
#include "objects/chain.h"
#include "objects/condition.h"
#include "objects/exclusives.h"
#include "platform/os.h"

/* ---- any lock, by its methods ---- */

static PyObject *
lock_of(Condition *self)
{
    PyObject *lock = self->lock;
    return lock != NULL ? lock : ft_refuse_unmade((PyObject *)self);
}

/* As many arguments as fit here are passed without making a bound method: a release needs no
 * memory then. */
#define FEW_ARGUMENTS 4

static PyObject *
call_with_few(PyObject *lock, PyObject *name, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *all[FEW_ARGUMENTS] = {lock};
    for (Py_ssize_t i = 0; i < nargs; i++) {
        all[i + 1] = args[i];
    }
    return PyObject_VectorcallMethod(name, all, (size_t)nargs + 1, NULL);
}

PyObject *
ft_condlock_call(Condition *self, enum ft_method which, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *lock = lock_of(self);
    PyObject *name = lock == NULL ? NULL : ft_method_name((PyObject *)self, which);
    if (name == NULL) {
        return NULL;
    }
    if (nargs < FEW_ARGUMENTS && kwnames == NULL) {
        return call_with_few(lock, name, args, nargs);
    }
    PyObject *method = PyObject_GetAttr(lock, name);
    PyObject *result = method == NULL ? NULL : PyObject_Vectorcall(method, args, (size_t)nargs, kwnames);
    Py_XDECREF(method);
    return result;
}

/* 1 with the method, 0 without, -1 with an exception set. */
static int
find_optional(Condition *self, enum ft_method which, PyObject **method)
{
    PyObject *lock = lock_of(self);
    PyObject *name = lock == NULL ? NULL : ft_method_name((PyObject *)self, which);
    *method = NULL;
    return name == NULL ? -1 : PyObject_GetOptionalAttr(lock, name, method);
}

/* Calls a method that may be missing. 1 with the result, 0 without the method, -1 with an
 * exception set. */
static int
call_optional(Condition *self, enum ft_method which, PyObject *arg, PyObject **result)
{
    PyObject *method;
    int found = find_optional(self, which, &method);
    if (found <= 0) {
        return found;
    }
    *result = arg == NULL ? PyObject_CallNoArgs(method) : PyObject_CallOneArg(method, arg);
    Py_DECREF(method);
    return *result == NULL ? -1 : 1;
}

PyObject *
ft_condlock_save(Condition *self)
{
    PyObject *state;
    int found = call_optional(self, FT_RELEASE_SAVE_METHOD, NULL, &state);
    if (found == 0) {
        return ft_none(ft_drop(ft_condlock_call(self, FT_RELEASE_METHOD, NULL, 0, NULL)));
    }
    return found > 0 ? state : NULL;
}

PyObject *
ft_condlock_restore(Condition *self, PyObject *state)
{
    PyObject *result;
    int found = call_optional(self, FT_ACQUIRE_RESTORE_METHOD, state, &result);
    if (found == 0) {
        return ft_none(ft_drop(ft_condlock_call(self, FT_ACQUIRE_METHOD, NULL, 0, NULL)));
    }
    return found > 0 ? result : NULL;
}

/* As threading.Condition: a lock that does not tell its owner is owned when it is taken. */
static int
foreign_is_owned(Condition *self)
{
    PyObject *result, *no = Py_False;
    int found = call_optional(self, FT_IS_OWNED_METHOD, NULL, &result);
    if (found == 0) {
        result = ft_condlock_call(self, FT_ACQUIRE_METHOD, &no, 1, NULL);
    }
    if (found < 0 || result == NULL) {
        return -1;
    }
    int truth = PyObject_IsTrue(result);
    Py_DECREF(result);
    if (found > 0 || truth < 0) {
        return truth;
    }
    return truth && ft_drop(ft_condlock_call(self, FT_RELEASE_METHOD, NULL, 0, NULL)) < 0 ? -1 : !truth;
}

/* The method that takes the lock back is found before the lock is released: a wait has to come
 * back with it. 1 when it takes what _release_save gave, 0 when it takes nothing, -1 with an
 * exception set. */
static int
find_restore(Condition *self, PyObject **restore)
{
    int found = find_optional(self, FT_ACQUIRE_RESTORE_METHOD, restore);
    if (found != 0) {
        return found;
    }
    found = find_optional(self, FT_ACQUIRE_METHOD, restore);
    if (found == 0) {
        PyErr_SetString(PyExc_AttributeError, "the lock of this Condition has no acquire() any more");
    }
    return found > 0 ? 0 : -1;
}

int
ft_condlock_prepare(Condition *self, struct saved *saved)
{
    PyObject *op = (PyObject *)self;
    *saved = (struct saved){.kind = self->kind};
    if (FT_LIKELY(ft_condition_unpatched(op))) {
        return 0;
    }
    int saves = ft_condition_find_replaced(op, FT_RELEASE_SAVE_METHOD, &saved->save);
    int restores = saves < 0 ? -1 : ft_condition_find_replaced(op, FT_ACQUIRE_RESTORE_METHOD, &saved->restore);
    if (restores < 0) {
        ft_condlock_forget(saved);
        return -1;
    }
    if (saves + restores > 0) {
        saved->kind = FOREIGN;
    }
    return 0;
}

void
ft_condlock_forget(struct saved *saved)
{
    Py_CLEAR(saved->save);
    Py_CLEAR(saved->restore);
    Py_CLEAR(saved->state);
}

/* Whether the method that takes the lock back takes what the one that let go of it gave. */
static int
takes_state(Condition *self, struct saved *saved)
{
    return saved->restore != NULL ? 1 : find_restore(self, &saved->restore);
}

/* The thread is queued by now, and these methods may wait for anything. */
static int
foreign_release(Condition *self, struct ft_thread *thread, struct saved *saved)
{
    if (ft_seat_push(thread) < 0) {
        return -1;
    }
    int takes = takes_state(self, saved);
    if (takes >= 0) {
        saved->state = saved->save != NULL ? PyObject_CallNoArgs(saved->save) : ft_condlock_save(self);
    }
    ft_seat_pop(thread);
    if (saved->state == NULL) {
        return -1;
    }
    if (takes == 0) {
        Py_CLEAR(saved->state);
    }
    return 0;
}

static int
foreign_retake(struct saved *saved)
{
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *result = PyObject_Vectorcall(saved->restore, &saved->state, saved->state != NULL, NULL);
    ft_condlock_forget(saved);
    if (result == NULL) {
        ft_chain(raised);
        return -1;
    }
    Py_DECREF(result);
    PyErr_SetRaisedException(raised);
    return 0;
}

/* ---- one of ours, by its word ---- */

int
ft_condlock_is_owned(Condition *self, struct ft_thread *thread)
{
    switch (self->kind) {
    case LOCK:
        return ft_exclusive_locked(ft_word_of(self->lock)); /* any thread may release it */
    case RLOCK:
    case INTERVAL:
        return ft_exclusive_owned(ft_word_of(self->lock), thread);
    case FOREIGN:
        break;
    }
    return foreign_is_owned(self);
}

static int
refuse_unowned(int owned, const char *doing)
{
    if (owned == 0) {
        PyErr_Format(PyExc_RuntimeError, "cannot %s on un-acquired lock", doing);
    }
    return owned > 0 ? 0 : -1;
}

int
ft_condlock_check_owned(Condition *self, struct ft_thread *thread, const char *doing)
{
    return refuse_unowned(ft_condlock_is_owned(self, thread), doing);
}

static FT_SLOW int
check_told_slow(Condition *self, struct ft_thread *thread, const char *doing)
{
    PyObject *method;
    int replaced = ft_condition_find_replaced((PyObject *)self, FT_IS_OWNED_METHOD, &method);
    if (replaced <= 0) {
        return replaced < 0 ? -1 : ft_condlock_check_owned(self, thread, doing);
    }
    PyObject *result = PyObject_CallNoArgs(method);
    int truth = result == NULL ? -1 : PyObject_IsTrue(result);
    Py_XDECREF(result);
    Py_DECREF(method);
    return refuse_unowned(truth, doing);
}

int
ft_condlock_check_told(Condition *self, struct ft_thread *thread, const char *doing)
{
    return FT_LIKELY(ft_condition_unpatched((PyObject *)self)) ? ft_condlock_check_owned(self, thread, doing)
                                                               : check_told_slow(self, thread, doing);
}

int
ft_condlock_release(Condition *self, struct ft_thread *thread, struct saved *saved, struct ft_waiter **chain)
{
    *chain = NULL;
    if (saved->kind == FOREIGN) {
        return foreign_release(self, thread, saved);
    }
    if (saved->kind == RLOCK) {
        saved->depth = ft_rlock_depth(self->lock);
        ft_rlock_restore(self->lock, 0);
    }
    *chain = ft_exclusive_yield(ft_word_of(self->lock), thread);
    return 0;
}

const struct ft_wait_ops *
ft_condlock_ops(Condition *self)
{
    switch (self->kind) {
    case LOCK:
        return &ft_anybodys_ops;
    case RLOCK:
        return &ft_rlock_ops;
    default:
        return ft_exclusive_ops_of(ft_word_of(self->lock));
    }
}

int
ft_condlock_retake(Condition *self, struct ft_thread *thread, struct saved *saved)
{
    if (saved->kind == FOREIGN) {
        return foreign_retake(saved);
    }
    struct ft_interval_lock *lock = ft_word_of(self->lock);
    if (!ft_exclusive_lock_fast(lock, thread)) {
        ft_wait_uninterruptibly(ft_condlock_ops(self), lock, thread);
    }
    return 0;
}

/* ---- the with statement with a time-out ---- */

/* A lock that is not ours is asked for what is left of the time. */
static int
foreign_take_within(Condition *self, int64_t deadline)
{
    int64_t left = deadline == FT_NO_WAIT ? 0 : deadline - ft_os_now();
    PyObject *seconds = PyFloat_FromDouble(left > 0 ? (double)left / 1e9 : 0.0);
    PyObject *names = seconds == NULL ? NULL : Py_BuildValue("(s)", "timeout");
    PyObject *result = names == NULL ? NULL : ft_condlock_call(self, FT_ACQUIRE_METHOD, &seconds, 0, names);
    int truth = result == NULL ? -1 : PyObject_IsTrue(result);
    Py_XDECREF(result);
    Py_XDECREF(names);
    Py_XDECREF(seconds);
    return truth;
}

int
ft_condlock_take_within(PyObject *condition, int64_t deadline)
{
    Condition *self = (Condition *)condition;
    switch (self->kind) {
    case LOCK:
        return ft_lock_take(self->lock, deadline);
    case RLOCK:
        return ft_rlock_take(self->lock, deadline);
    case INTERVAL:
        return ft_interval_take(self->lock, deadline);
    case FOREIGN:
        break;
    }
    return foreign_take_within(self, deadline);
}

PyObject *
ft_condlock_exit_within(PyObject *condition, PyObject *const *args, Py_ssize_t nargs)
{
    Condition *self = (Condition *)condition;
    switch (self->kind) {
    case LOCK:
        return ft_none(ft_lock_give(self->lock));
    case RLOCK:
        return ft_none(ft_rlock_give(self->lock));
    case INTERVAL: /* it knows what a broken-off cede() means */
        return ft_condlock_call(self, FT_EXIT_METHOD, args, nargs, NULL);
    case FOREIGN:
        break;
    }
    return ft_none(ft_drop(ft_condlock_call(self, FT_RELEASE_METHOD, NULL, 0, NULL)));
}
