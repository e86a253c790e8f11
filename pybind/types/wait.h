/* Waiting for a lock: the part that is the same for all of them.
 *
 * Go keeps the queues and decides; the thread sleeps here, on its own semaphore, detached
 * from the interpreter, with no Go frame on its stack. */
#ifndef FT_WAIT_H
#define FT_WAIT_H

#include "engine.h"
#include "thread.h"

/* One side of one kind of lock. */
struct ft_side {
    /* Takes the lock if that needs no judgement: the fast path, retried. `awake` is set
     * for a thread that is queued and was notified; it keeps the flags of the word. */
    bool (*try)(void *lock, struct ft_thread *self, bool awake);
    /* Makes room for a queued thread where only C can (a revocation of read bias). NULL
     * where Go never answers Retry. */
    void (*clear_way)(void *lock);
    /* Polling in a forked child: as `try`, minding no queue, there is none. `first` and
     * `last` bracket the polling. NULL: not needed. */
    bool (*poll)(void *lock, struct ft_thread *self);
    void (*poll_given_up)(void *lock);
    size_t contend, withdraw; /* offsets of the exports in struct ft_engine */
    uint32_t kind;            /* FT_KIND_… */
    uint64_t flags;           /* flags in the word that those who wait cause */
    bool spins;               /* may a newcomer spin before it queues? */
};

/* When to give up: a point of CLOCK_MONOTONIC in nanoseconds. */
#define FT_FOREVER INT64_MAX

enum ft_outcome { FT_FAILED = -1, FT_TIMED_OUT = 0, FT_ACQUIRED = 1 };

/* Waits until the lock is taken, the deadline is over, or a signal handler raised: then
 * -1 with the exception set, and nothing is taken and nobody queued. */
enum ft_outcome ft_wait(const struct ft_side *side, void *lock, struct ft_thread *self,
                        int64_t deadline);

/* The same for a thread that an operation has just queued (cede), with those to be woken
 * in its waiter's chain. */
enum ft_outcome ft_wait_queued(const struct ft_side *side, void *lock,
                               struct ft_thread *self, int64_t deadline);

/* Wakes a chain of waiters. No bucket is locked any more. */
void ft_wake(struct ft_waiter *chain);

/* Runs a release of the Go side and wakes whom it names. */
static inline void
ft_release_slow(ft_release_fn *release, void *lock, struct ft_thread *self)
{
    release(lock, &self->waiter);
    ft_wake(self->waiter.chain);
}

#endif
