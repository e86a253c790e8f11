/* within(timeout): the with statement of a lock with a time-out. It makes a TimedContext, whose
 * entering takes the lock in time or raises TimeoutError, and whose leaving is the lock's own
 * __exit__. */
#ifndef FT_WITHIN_H
#define FT_WITHIN_H

#include "objects/args.h"

/* The __exit__ of a lock. */
typedef PyObject *ft_exit_fn(PyObject *op, PyObject *const *args, Py_ssize_t nargs);

/* A new TimedContext, from the arguments of within(). NULL with an exception set. */
PyObject *ft_within(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                    ft_take_fn *take, ft_exit_fn *exit);

/* The method of a lock that is taken and left like that, and its entry of a PyMethodDef. */
#define FT_WITHIN_METHOD(name, take, exit)                                         \
    static PyObject *                                                              \
    name(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) \
    {                                                                              \
        return ft_within(op, args, nargs, kwnames, take, exit);                    \
    }
#define FT_WITHIN(f)                                                                                   \
    FT_KEYWORDS("within", f, "timeout",                                                                \
                "Return a context for a with statement that waits no longer than the timeout.\n"       \
                "\n"                                                                                   \
                "timeout is in seconds, counted from each entry; 0 only tries. If the time is over\n"  \
                "first, TimeoutError is raised, the block does not run and nothing has changed. The\n" \
                "name after `as` is this object. The context may be kept and entered again.\n"         \
                "ValueError for a negative timeout, OverflowError for one above\n"                     \
                "threading.TIMEOUT_MAX, TypeError for what is no number; entering raises what\n"       \
                "acquire() does.")

#endif
