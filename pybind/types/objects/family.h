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

/* Starts the interval of an IntervalLock anew, for its owner. */
void ft_interval_restart(PyObject *lock);

#endif
