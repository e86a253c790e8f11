/* Arguments of the acquire methods, as threading.Lock.acquire takes them. */
#ifndef FT_ARGS_H
#define FT_ARGS_H

#include "core/wait.h"

/* Parses (blocking=True, timeout=-1) into a deadline: FT_NO_WAIT, FT_FOREVER or a point of
 * CLOCK_MONOTONIC. 0, or -1 with the exception set that threading.Lock would raise. */
int ft_parse_acquire(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                     int64_t *deadline);

/* Puts arguments given by position and by name into found, which starts as NULLs. -1 with
 * TypeError set when they do not fit. */
int ft_gather(const char *method, const char *const *names, int n, PyObject *const *args,
              Py_ssize_t nargs, PyObject *kwnames, PyObject **found);

/* A timeout of None or seconds, as Event.wait and the like have it, into a deadline: a
 * negative one is over already. -1 with an exception set. */
int ft_parse_timeout(PyObject *timeout, int64_t *deadline);

/* Parses (timeout=None). */
int ft_parse_wait(const char *method, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames, int64_t *deadline);

/* Seconds to nanoseconds, rounded up: -1 and OverflowError, TypeError or ValueError. */
int ft_parse_seconds(PyObject *seconds, int64_t *ns);

#endif
