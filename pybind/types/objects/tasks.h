/* What the end of a block has to know of a task of ft_utils.aio. */
#ifndef FT_TASKS_H
#define FT_TASKS_H

#include "platform/common.h"

/* Whether it is the record of that asyncio task. */
bool ft_task_is_of(PyObject *task, PyObject *asyncio_task);

/* Releases, in its name, n permits, or the lock. 0, or -1 with an exception set. */
int ft_task_give(PyObject *task, PyObject *lock, PyObject *n);

#endif
