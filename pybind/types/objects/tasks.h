/* What the parts of ft_utils.aio in C know of each other: the bell of a loop (bell.c), its tasks
 * (task.c), and the end of a block (block.c). */
#ifndef FT_TASKS_H
#define FT_TASKS_H

#include "core/task.h"

struct ft_bell_object {
    PyObject_HEAD
    struct ft_bell bell;
};

/* Whether it is the record of that asyncio task; for NULL, of one that exists no more. Python code
 * may run. */
bool ft_task_is_of(PyObject *task, PyObject *asyncio_task);

/* What it was given is its own from now on. */
void ft_task_claim(PyObject *task);

/* Releases, in its name, n permits, or the lock. 0, or -1 with an exception set. */
int ft_task_give(PyObject *task, PyObject *lock, PyObject *n);

#endif
