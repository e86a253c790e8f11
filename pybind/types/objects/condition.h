/* Condition: what its files share. The word and the moving of waiters: golib/locks/condition.go.
 *
 *   condition.c   the type
 *   condwait.c    wait()
 *   waitfor.c     wait_for()
 *   condlock.c    the lock below: one of ours, used by its word, or any other, used by its
 *                 methods as threading.Condition uses them
 *   condtold.c    the condition's own methods for the lock, where a program has replaced them */
#ifndef FT_CONDITION_H
#define FT_CONDITION_H

#include "core/wait.h"
#include "objects/lockobj.h"
#include "objects/patchable.h"
#include "objects/types.h"

/* What the lock is. Subclasses may override methods, so they are Foreign. */
enum kind {
    FOREIGN,
    LOCK,
    RLOCK,
    INTERVAL,
};

typedef struct {
    FT_OBJECT_HEAD
    struct ft_condition condition;
    _Atomic(uint64_t) notified; /* notifications; the fallback looks at it */
    _Atomic(PyObject *) lock;   /* NULL only when made by __new__ alone; else constant */
    _Atomic(enum kind) kind;    /* set after `lock`; what is not made yet is Foreign */
    PyObject *dict;
    /* The word of the Event that this is the _cond of, for counting the threads that were
     * queued there before: a key, never looked into. NULL for others, and when the Event is
     * gone. */
    void *_Atomic event;
} Condition;

/* The _cond of an Event: a Condition of exactly our class over a Lock of exactly our class. It
 * is made without the class's __new__ and __init__, which programs may replace: the event uses
 * its fields. event is its word. NULL with an exception set. */
PyObject *ft_condition_over(const struct ft_module_state *state, PyObject *lock, void *event);

/* How many threads wait. */
long long ft_condition_waiting(PyObject *op);

/* The dealloc, by which classes of C are told from those made in Python. */
void ft_condition_dealloc(PyObject *op);

/* Whether the methods are ours. */
static inline bool
ft_condition_unpatched(PyObject *op)
{
    return ft_unpatched(op, ft_condition_dealloc, &((Condition *)op)->dict);
}

/* The methods by which a wait of threading's asks for the lock, lets go of it and has it back. */
PyObject *ft_condition_is_owned(PyObject *op, PyObject *unused);
PyObject *ft_condition_release_save(PyObject *op, PyObject *unused);
PyObject *ft_condition_acquire_restore(PyObject *op, PyObject *state);

/* ---- condwait.c ---- */

/* wait() itself, and the wait of a thread that holds the lock: 1 notified, 0 time over, -1
 * with an exception set. */
PyObject *ft_condition_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
int ft_condition_wait_until(PyObject *op, struct ft_thread *thread, int64_t deadline);

/* ---- waitfor.c ---- */

PyObject *ft_condition_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* ---- condtold.c ---- */

/* The method of that name that a program has replaced ours by, where threading's wait would call
 * it: 1 and a new reference; 0 and NULL when it calls ours or the lock's; -1 with an exception
 * set. */
int ft_condition_find_replaced(PyObject *op, enum ft_method name, PyObject **method);

/* ---- condlock.c ---- */

/* How a wait lets go of the lock, and what it has to put back: an RLock's depth, or the method
 * that takes a foreign lock and what that is called with, if anything. */
struct saved {
    enum kind kind; /* Foreign too when the program has replaced a method below */
    unsigned long depth;
    PyObject *state, *restore;
    PyObject *save; /* the replaced _release_save; NULL: the lock is asked */
};

/* Calls a method of the lock, whatever the lock is. RuntimeError when there is none. */
PyObject *ft_condlock_call(Condition *self, enum ft_method name, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *kwnames);

/* The with statement with a time-out: takes the lock, whatever it is, 1 or 0 when it could not
 * be had in time, and leaves it. -1 or NULL with an exception set. */
int ft_condlock_take_within(PyObject *condition, int64_t deadline);
PyObject *ft_condlock_exit_within(PyObject *condition, PyObject *const *args, Py_ssize_t nargs);

/* Releases the lock by its methods, entirely, and takes it as it was before. NULL with an
 * exception set. */
PyObject *ft_condlock_save(Condition *self);
PyObject *ft_condlock_restore(Condition *self, PyObject *state);

/* How a thread waits for the lock, one of ours. */
const struct ft_wait_ops *ft_condlock_ops(Condition *self);

/* Whether this thread holds the lock, as far as the lock tells; -1 with an exception set. */
int ft_condlock_is_owned(Condition *self, struct ft_thread *thread);

/* -1 with RuntimeError, or another exception of the lock's methods, set. */
int ft_condlock_check_owned(Condition *self, struct ft_thread *thread, const char *doing);

/* The same, asking a replaced _is_owned where threading would. */
int ft_condlock_check_told(Condition *self, struct ft_thread *thread, const char *doing);

/* Finds out how a wait lets go of the lock, before it queues. ft_condlock_retake forgets that,
 * or ft_condlock_forget when it does not come so far. -1 with an exception set: there is nothing
 * to forget. */
int ft_condlock_prepare(Condition *self, struct saved *saved);
void ft_condlock_forget(struct saved *saved);

/* Releases the lock entirely, for a thread that holds it. chain: the waiters to wake once
 * detached. -1 with an exception set: a foreign one cannot be released. */
int ft_condlock_release(Condition *self, struct ft_thread *thread, struct saved *saved,
                        struct ft_waiter **chain);

/* Takes the lock again; signals wait until it is had, since the caller's block counts on
 * it. An exception that is on its way stays, or is the context of the one that a foreign lock
 * raises. */
int ft_condlock_retake(Condition *self, struct ft_thread *thread, struct saved *saved);

#endif
