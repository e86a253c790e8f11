/* Waiting: the part that is the same for all locks.
 *
 * Go keeps the queues and decides; the thread sleeps here, on its own semaphore, detached
 * from the interpreter, with no Go frame on its stack. */
#ifndef FT_WAIT_H
#define FT_WAIT_H

#include "core/engine.h"
#include "core/thread.h"

/* One side of one kind of lock. */
struct ft_side {
    /* Takes the lock if that needs no judgement: the fast path, retried. A queued thread
     * that was notified tries it too, so it keeps the flags of the word. */
    bool (*try)(void *lock, struct ft_thread *self);
    /* Makes room for a queued thread where only C can (a revocation of read bias). NULL
     * where Go never answers Retry. */
    void (*clear_way)(void *lock);
    /* Polling in a forked child: as `try`, minding no queue; there is none. */
    bool (*poll)(void *lock, struct ft_thread *self);
    void (*poll_given_up)(void *lock); /* NULL: nothing to do */
    /* Whether this thread holds the lock so that it must not wait for it. NULL where a
     * thread stays queued while it runs handlers. */
    bool (*held)(void *lock, struct ft_thread *self);
    /* In a forked child: takes back what a thread of the parent was given while it slept,
     * if it was: the state of its waiter is Notified or Granted. It has not run since, so
     * nothing is half done. NULL: nothing is given. */
    void (*take_back)(void *lock, const struct ft_thread *gone, uint32_t state);
    size_t contend, withdraw;          /* offsets of the exports in struct ft_engine */
    uint32_t kind;                     /* FT_KIND_… */
    uint64_t flags;                    /* flags in the word that those who wait cause */
    bool spins;                        /* may a newcomer spin before it queues? */
    /* Does a try that took the lock leave the thread's id in the word? Then one that was
     * notified may try while it is queued. */
    bool claims;
    /* Are those who wait handed what they wait for? Then it may come at any moment and
     * they spin for a little before they sleep. Those who are woken to compete do not:
     * while they sleep the others get on, and they are no sooner at their turn. */
    bool handed;
    /* Does a thread stay queued while it runs signal handlers? Who waits for something to
     * happen does, lest it happens meanwhile. Who waits for a lock does not: it would be
     * handed the lock and hold up the others, or the handler. */
    bool stays;
};

/* A point of CLOCK_MONOTONIC in nanoseconds, or: */
#define FT_FOREVER INT64_MAX
/* A try that does not wait. Points of time are never negative. */
#define FT_NO_WAIT ((int64_t)-1)

enum ft_outcome { FT_FAILED = -1, FT_TIMED_OUT = 0, FT_ACQUIRED = 1 };

/* Waits until the lock is taken, the deadline is over, or a signal handler raised: then
 * Failed with the exception set, and nothing is taken and nobody queued. */
enum ft_outcome ft_wait(const struct ft_side *side, void *lock, struct ft_thread *self,
                        int64_t deadline);

/* The same, but signals wait too: it ends with the lock taken. */
void ft_wait_uninterruptibly(const struct ft_side *side, void *lock, struct ft_thread *self);

/* The waiting of a thread that an operation has just queued, with those to be woken in its
 * waiter's chain. */
enum ft_outcome ft_wait_queued(const struct ft_side *side, void *lock,
                               struct ft_thread *self, int64_t deadline);

/* How one sleep ended. */
enum ft_slept { FT_WOKEN, FT_TIME_OVER, FT_LOOK };

/* One sleep of a queued thread, detached, after waking chain. handed: as in struct ft_side.
 * `look` is NULL when signals wait, else it paces the looking for signals: it starts as
 * FT_FIRST_LOOK. */
enum ft_slept ft_sleep(struct ft_thread *self, struct ft_waiter *chain, bool handed,
                       int64_t deadline, int64_t *look);

#define FT_FIRST_LOOK ((int64_t)10 * 1000 * 1000)

/* Runs signal handlers while the thread goes on waiting, on its seat. -1 with an exception
 * set when one raised. */
int ft_run_handlers_waiting(struct ft_thread *self);

/* Goes on for a thread that was moved into the queue of a lock, until that lock is taken;
 * signals wait. awake: it was woken there and has consumed that. */
void ft_wait_moved(const struct ft_side *side, void *lock, struct ft_thread *self, bool awake);

/* Tells others, the repr and a forked child, what this thread waits for. NULL: nothing. */
void ft_announce(const struct ft_side *side, const void *lock, struct ft_thread *self);

/* Number of seats in the slow path of that side of the lock. Includes those that have not
 * been queued yet. */
int64_t ft_count_waiting(const void *lock, uint32_t kind);

/* Makes the waiter new after a wait. */
void ft_forget(struct ft_waiter *waiter);

/* Wakes a chain of waiters. No bucket is locked any more. */
void ft_wake(struct ft_waiter *chain);

static inline uint32_t
ft_state(const struct ft_waiter *waiter)
{
    return atomic_load(&waiter->state);
}

/* Runs a release of the Go side and wakes whom it names. */
static inline void
ft_release_slow(ft_release_fn *release, void *lock, struct ft_thread *self)
{
    release(lock, &self->seat->waiter);
    ft_wake(self->seat->waiter.chain);
}

#endif
