/* Arguments of the methods, as threading takes them, and the methods that take a lock. */
#ifndef FT_ARGS_H
#define FT_ARGS_H

#include "core/wait.h"
#include "objects/lockobj.h"

/* Takes a lock: 1 taken, 0 not in time, -1 with an exception set. */
typedef int ft_take_fn(PyObject *op, int64_t deadline);

/* acquire(blocking=True, timeout=-1) of a lock that is taken like that; the first is for a call
 * with arguments. */
PyObject *ft_acquire_as_told(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                             ft_take_fn *take);

FT_INLINE PyObject *
ft_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, ft_take_fn *take)
{
    bool plain = FT_LIKELY(nargs == 0 && kwnames == NULL);
    return plain ? ft_bool(take(op, FT_FOREVER)) : ft_acquire_as_told(op, args, nargs, kwnames, take);
}

/* __enter__ of a lock that is taken like that, which gives the object itself. */
FT_INLINE PyObject *
ft_enter(PyObject *op, ft_take_fn *take)
{
    return FT_LIKELY(take(op, FT_FOREVER) > 0) ? Py_NewRef(op) : NULL;
}

/* The deadline of an acquire with blocking and timeout as given, NULL where they are not. 0, or
 * -1 with the exception set that threading.Lock would raise. */
int ft_parse_deadline(PyObject *is_blocking, PyObject *seconds, int64_t *deadline);

/* Puts arguments given by position and by name into found, which starts as NULLs. -1 with
 * TypeError set when they do not fit. */
int ft_gather(const char *method, const char *const *names, int n, PyObject *const *args,
              Py_ssize_t nargs, PyObject *kwnames, PyObject **found);

/* The same for a method with one argument; it is NULL when it is not given. */
static inline int
ft_gather_one(const char *method, const char *name, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames, PyObject **found)
{
    *found = NULL;
    return FT_LIKELY(nargs == 0 && kwnames == NULL) ? 0 : ft_gather(method, &name, 1, args, nargs, kwnames, found);
}

/* Whether looking at an argument may have run Python code, which may have done anything. */
static inline bool
ft_runs_code(PyObject *number)
{
    return number != NULL && number != Py_None && !PyFloat_CheckExact(number) && !PyLong_CheckExact(number);
}

/* A number of any type, as Python code that only compares it takes it. ValueError with the
 * complaint when it is less than `least`. Otherwise whether it is whole: 1 with it in *n,
 * UINT64_MAX when it is too large for that, or 0; -1 with an exception set. */
int ft_whole_from(long least, PyObject *number, const char *complaint, uint64_t *n);

/* How often a number can be counted down by one until it is not greater than 0. -1 with an
 * exception set when it cannot be. */
int ft_countdown(PyObject *n, uint64_t *steps);

/* A timeout of None or seconds, judged as threading judges it where a wait begins: None is
 * FT_FOREVER, what is not greater than 0 is 0, anything else nanoseconds. -1 with the
 * exception set that threading would raise. Nobody judges the timeout of a call that does
 * not have to wait. */
int ft_judge_timeout(PyObject *timeout, int64_t *ns);

/* A time-out that has to be given, into nanoseconds: -1 with TypeError set when it is no number,
 * with ValueError when it is negative or NaN, with OverflowError when it is too large. */
int ft_parse_limit(PyObject *timeout, int64_t *ns);

/* What threading does before that where several waits make up one call: it computes the
 * time of their end. -1 with an exception set when it cannot; NaN is refused too, with
 * which threading would never sleep and never return. */
int ft_check_end(PyObject *timeout);

/* The point of time in that many nanoseconds: FT_NO_WAIT for 0, FT_FOREVER for that. */
int64_t ft_deadline_in(int64_t ns);

/* Waits as ft_wait does, with such a timeout. */
enum ft_outcome ft_wait_with(const struct ft_wait_ops *ops, void *lock, PyObject *timeout);

#endif
