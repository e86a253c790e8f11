/* Deadlocks: threads that wait for each other in a circle, and so for ever.
 *
 * A thread that has waited for a while without a time-out looks for a circle through itself:
 * from what it waits for to a thread that has to let go of it first, and on from what that
 * one waits for. It goes through all records under the registry's lock, which keeps no thread
 * from waiting or from letting go. So an edge counts only if it is seen twice, unchanged:
 * all edges, and then all again. Between the two passes every thread of the circle was in
 * the very wait that it was seen in, and a thread that waits lets go of nothing. Nor does a
 * task of its event loop, as none runs meanwhile. (A loop is taken to stay with its thread.)
 *
 * Only what cannot end by itself counts: waits without a time-out, for locks that only their
 * owner releases. Somebody else may release a Lock, or a Semaphore, or notify. */
#ifndef FT_DEADLOCK_H
#define FT_DEADLOCK_H

#include "core/waitloop.h"

enum ft_deadlock_action {
    FT_DEADLOCK_OFF,
    FT_DEADLOCK_REPORT,
    FT_DEADLOCK_RAISE,
};

/* Set from Python at any time. The time is in nanoseconds. */
extern _Atomic(int) ft_deadlock_action;
extern _Atomic(int64_t) ft_deadlock_after;

/* `stuck_after` of a wait that may be part of a circle. */
static inline int64_t
ft_deadlock_delay(void)
{
    return atomic_load_explicit(&ft_deadlock_action, memory_order_relaxed) == FT_DEADLOCK_OFF
               ? 0
               : atomic_load_explicit(&ft_deadlock_after, memory_order_relaxed);
}

/* For a thread that has waited for long: looks for a circle through it, and has it reported, by
 * another thread, where nobody can be told by an exception, or nobody shall. A new reference when
 * the calling thread is the one that has to end its wait by ft_deadlock_raise with it: no other
 * thread of the circle will be told so. Else NULL. It runs no Python code in the calling thread,
 * which is queued, and leaves the exception that is set there as it was. */
PyObject *ft_deadlock_look(struct ft_waiting *wait);

/* Raises DeadlockError. The thread waits no more: Python code runs. */
void ft_deadlock_raise(PyObject *circle);

#endif
