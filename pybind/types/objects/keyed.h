/* KeyedContext, for tasks (objects/task.c). */
#ifndef FT_KEYED_H
#define FT_KEYED_H

#include "core/wait.h"

/* 1 taken, 0 not in time, below 0 not taken (objects/takes.h). 0 given back, or -1. */
int ft_keyed_take(PyObject *context, int64_t deadline);
int ft_keyed_give(PyObject *context);

/* For a task that was given the lock while it was queued: what ft_keyed_take does besides. */
void ft_keyed_settle(PyObject *context);

#endif
