/* Condition: what its files share. The word and the moving of waiters: golib/locks/condition.go.
 *
 *   condition.c   the type
 *   condwait.c    wait()
 *   waitfor.c     wait_for()
 *   condlock.c    the lock below: one of ours, used by its word, or any other, used by its
 *                 methods as threading.Condition uses them */
#ifndef FT_CONDITION_H
#define FT_CONDITION_H

#include "core/wait.h"
#include "objects/lockobj.h"
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

/* Whether the methods are ours. */
bool ft_condition_unpatched(PyObject *op);

/* ---- condwait.c ---- */

/* wait() itself, and the wait of a thread that holds the lock: 1 notified, 0 time over, -1
 * with an exception set. */
PyObject *ft_condition_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
int ft_condition_wait_until(PyObject *op, struct ft_thread *thread, int64_t deadline);

/* ---- waitfor.c ---- */

PyObject *ft_condition_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* ---- condlock.c ---- */

/* What a wait has to put back: an RLock's depth, or the method of a foreign lock that takes it
 * and what that is called with, if anything. */
struct saved {
    unsigned long depth;
    PyObject *state, *restore;
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

/* Releases the lock entirely, for a thread that holds it. chain: the waiters to wake once
 * detached. -1 with an exception set: a foreign one cannot be released. */
int ft_condlock_release(Condition *self, struct ft_thread *thread, struct saved *saved,
                        struct ft_waiter **chain);

/* Takes the lock again; signals wait until it is had, since the caller's block counts on
 * it. An exception that is on its way stays, or is the context of the one that a foreign lock
 * raises. */
int ft_condlock_retake(Condition *self, struct ft_thread *thread, struct saved *saved);

#endif
