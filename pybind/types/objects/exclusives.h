/* Lock, RLock and IntervalLock are objects around the word of locks/exclusive.h: what they have
 * in common, and what Condition and Event need of them. */
#ifndef FT_EXCLUSIVES_H
#define FT_EXCLUSIVES_H

#include "locks/exclusive.h"
#include "objects/lockobj.h"

/* How each of them begins; a Lock is no more than that. */
struct ft_exclusive {
    FT_OBJECT_HEAD
    struct ft_interval_lock lock;
};

FT_ASSERT_WORD(struct ft_exclusive, lock.word);

static inline struct ft_interval_lock *
ft_word_of(PyObject *op)
{
    return &((struct ft_exclusive *)op)->lock;
}

/* __new__: a free lock with the default interval. */
PyObject *ft_exclusive_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* Methods without arguments. */
PyObject *ft_exclusive_locked_method(PyObject *op, PyObject *unused);
PyObject *ft_exclusive_is_owned_method(PyObject *op, PyObject *unused);
PyObject *ft_exclusive_reinit_method(PyObject *op, PyObject *unused);

/* Entries of a PyMethodDef, as in lockobj.h. */
#define FT_EXCLUSIVE_LOCKED FT_LOCKED(ft_exclusive_locked_method, "some thread holds the lock")
#define FT_EXCLUSIVE_IS_OWNED FT_IS_OWNED(ft_exclusive_is_owned_method, "the lock")
/* Those of Lock and RLock take the arguments of acquire too, as threading's do without saying so. */
#define FT_EXCLUSIVE_ENTER(f)                                    \
    {"__enter__", FT_FASTCALL(f), METH_FASTCALL | METH_KEYWORDS, \
     PyDoc_STR("__enter__($self, /)\n--\n\nTake the lock, as acquire(), and return True.")}

/* Each of them: 1 taken, 0 not in time, -1 with an exception set. 0 released, or -1. */
int ft_lock_take(PyObject *lock, int64_t deadline);
int ft_lock_give(PyObject *lock);
int ft_rlock_take(PyObject *lock, int64_t deadline);
int ft_rlock_give(PyObject *lock);
int ft_interval_take(PyObject *lock, int64_t deadline);
int ft_interval_give(PyObject *lock);

/* How often beyond the first an RLock was acquired; the owner's to read and to change. */
unsigned long ft_rlock_depth(PyObject *lock);
void ft_rlock_restore(PyObject *lock, unsigned long count);

/* Starts the interval of an IntervalLock anew, for its owner. */
void ft_interval_restart(PyObject *lock, const struct ft_thread *thread);

#endif
