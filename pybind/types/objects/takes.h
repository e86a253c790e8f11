/* Taking and giving back what is not in exclusives.h, as functions: 1 taken, 0 not in time, below 0
 * not taken, with an exception set where a thread asks; enum ft_outcome tells what a task gets.
 * 0 given back, or -1 with an exception set. */
#ifndef FT_TAKES_H
#define FT_TAKES_H

#include "core/wait.h"

int ft_semaphore_take(PyObject *semaphore);
int ft_semaphore_give(PyObject *semaphore);

/* Whether its value is computed by Python code (objects/oddcount.h); then nobody ever waits. */
bool ft_semaphore_is_odd(PyObject *semaphore);

int ft_resizable_take(PyObject *semaphore, uint64_t n, int64_t deadline);
int ft_resizable_give(PyObject *semaphore, uint64_t n);

/* A whole number from least up: 0, or -1 with TypeError or ValueError set. Python code may run. */
int ft_parse_permits(PyObject *number, uint64_t least, const char *what, uint64_t *n);

/* Waits for the flag, whether or not there is a _cond. */
int ft_event_await(PyObject *event);

/* The lock of a RWReadContext or RWWriteContext, borrowed; NULL with an exception set when it was
 * made by __new__ alone. */
PyObject *ft_context_lock(PyObject *context);

#endif
