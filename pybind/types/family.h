/* What the types of the threading family know of each other. */
#ifndef FT_FAMILY_H
#define FT_FAMILY_H

#include "exclusive.h"

#define FT_FASTCALL(f) ((PyCFunction)(void (*)(void))(f))
#define FT_LOCK_TYPE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE)

/* Lock and RLock: 1 taken, 0 not in time, -1 with an exception set. 0 released, or -1. */
int ft_lock_take(PyObject *lock, int64_t deadline);
int ft_lock_give(PyObject *lock);
int ft_rlock_take(PyObject *lock, int64_t deadline);
int ft_rlock_give(PyObject *lock);

/* Releases an RLock of this thread, however deep, and says how deep; puts that back once
 * it is held again. */
unsigned long ft_rlock_save(PyObject *lock, struct ft_thread *self);
void ft_rlock_restore(PyObject *lock, unsigned long count);

#endif
