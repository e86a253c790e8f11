/* The loop of a thread that waits: for a lock, a condition, a barrier.
 *
 * Go keeps the queues and decides; the thread sleeps here, on its own semaphore, detached
 * from the interpreter, with no Go frame on its stack. What waking, the end of the time and
 * a signal mean is told by hooks. */
#ifndef FT_WAITLOOP_H
#define FT_WAITLOOP_H

#include "core/golib.h"
#include "core/record.h"
#include "core/thread.h"

/* A point of CLOCK_MONOTONIC in nanoseconds, or: */
#define FT_FOREVER INT64_MAX
/* A try that does not wait. Points of time are never negative. */
#define FT_NO_WAIT ((int64_t)-1)

/* What others have to know of a wait: those that show it, and a forked child. */
struct ft_wait_ops;

/* How the loop goes on. */
enum ft_step {
    FT_SLEEP, /* until it is woken, or the deadline */
    FT_NAP,   /* a little while, by the clock, or until it is woken */
    FT_END,   /* the wait is over; `end` says how */
};

struct ft_waiting;

/* They run attached, between two sleeps, while the thread is queued. */
struct ft_hooks {
    enum ft_step (*woken)(struct ft_waiting *);     /* the wake-up that was owed is consumed */
    enum ft_step (*napped)(struct ft_waiting *);    /* NULL where nobody naps */
    enum ft_step (*time_over)(struct ft_waiting *);
    /* It has slept for `stuck_after` in all, and then for as long again, and so on. NULL when
     * stuck_after is 0. */
    enum ft_step (*stuck)(struct ft_waiting *);
    /* Signals have come: run their handlers, unless the wait has ended. A handler may fork:
     * in a child Go must not be asked any more. */
    enum ft_step (*look)(struct ft_waiting *);
};

struct ft_waiting {
    const struct ft_hooks *hooks;
    const struct ft_wait_ops *ops;
    void *lock;
    struct ft_thread *self;
    int64_t deadline;
    bool interruptible; /* do signal handlers run? */
    /* Is the thread handed what it waits for? Then it may come at any moment and it spins for
     * a little before it sleeps. One that is woken to compete does not: while it sleeps the
     * others get on, and it is no sooner at its turn. */
    bool handed;
    int64_t stuck_after; /* nanoseconds; 0: never */
    uint64_t number;     /* what the waiter's number is to be: permits */
    uint64_t began;      /* ft_ticks(): see ft_wait_begin */
    int end;             /* the hooks' own, or: */
};

/* A signal handler forked, and this is the child: there is no queue any more. */
#define FT_END_IN_CHILD (-2)

/* Waits, after waking chain, until a hook says FT_END. first: FT_SLEEP or FT_NAP. */
void ft_wait_loop(struct ft_waiting *wait, struct ft_waiter *chain, enum ft_step first);

/* Runs signal handlers while the thread goes on waiting, on its seat. -1 with an exception
 * set when one raised. */
int ft_run_handlers_waiting(struct ft_thread *self);

/* Consumes a wake-up that is owed to this thread and on its way. Whoever owes it is a few
 * instructions from posting it, so this takes no time and signals need not be heard. */
void ft_consume_wakeup(struct ft_thread *self);

/* Tells others what this thread waits for, and when it does no more. */
void ft_announce(const struct ft_waiting *wait);
void ft_announce_end(struct ft_thread *self);

/* The same around Python code that runs in the middle of a wait, outside the queue: to others it
 * is one wait, which began when it began. */
struct ft_pause {
    uint64_t waits;
    int64_t since;
};

struct ft_pause ft_announce_pause(struct ft_thread *self);
void ft_announce_again(const struct ft_waiting *wait, const struct ft_pause *pause);

/* The same at the two ends of a whole wait, which is counted for its lock then. */
void ft_wait_begin(struct ft_waiting *wait);
void ft_wait_end(const struct ft_waiting *wait);

/* Makes the waiter new after a wait. */
void ft_forget(struct ft_waiter *waiter);

/* Wakes a chain of waiters. No bucket is locked any more. */
void ft_wake(struct ft_waiter *chain);

static inline uint32_t
ft_state(const struct ft_waiter *waiter)
{
    return atomic_load(&waiter->state);
}

/* Runs a release in Go and wakes those that it names. */
static inline void
ft_release_slow(ft_release_fn *release, void *lock, struct ft_thread *self)
{
    release(lock, &self->seat->waiter);
    ft_wake(self->seat->waiter.chain);
}

#endif
