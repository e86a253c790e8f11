/* What the types of the threading family know of each other. */
#ifndef FT_FAMILY_H
#define FT_FAMILY_H

#include "locks/exclusive.h"

#define FT_FASTCALL(f) ((PyCFunction)(void (*)(void))(f))
#define FT_LOCK_TYPE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE)

/* Lock and RLock: 1 taken, 0 not in time, -1 with an exception set. 0 released, or -1. */
int ft_lock_take(PyObject *lock, int64_t deadline);
int ft_lock_give(PyObject *lock);
int ft_rlock_take(PyObject *lock, int64_t deadline);
int ft_rlock_give(PyObject *lock);

/* How often beyond the first an RLock was acquired; the owner's to read and to change. */
unsigned long ft_rlock_depth(PyObject *lock);
void ft_rlock_restore(PyObject *lock, unsigned long count);

/* Condition.wait_for, and what it needs: Condition.wait itself, and the wait of a thread
 * that holds the lock: 1 notified, 0 time over, -1 with an exception set. */
PyObject *ft_condition_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *ft_condition_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
int ft_condition_wait_until(PyObject *op, struct ft_thread *thread, int64_t deadline);

/* Whether the methods of a Condition are ours. */
bool ft_condition_unpatched(PyObject *op);

/* How many wait for a Condition. */
long long ft_condition_waiting(PyObject *op);

/* Starts the interval of an IntervalLock anew, for its owner. */
void ft_interval_restart(PyObject *lock);

#endif
