/* Waiting for a lock, the same for all of them. */
#ifndef FT_WAIT_H
#define FT_WAIT_H

#include "core/waitloop.h"
#include "platform/pyver.h"

/* The operations of one kind of wait: for a lock of one type, or for one side of a
 * ReaderWriterLock. For a condition and a barrier, which have hooks of their own, only the last
 * ten matter. */
struct ft_wait_ops {
    /* Takes the lock if that needs no judgement: the fast path, retried. A queued thread
     * that was notified tries it too, so it keeps the flags of the word. */
    bool (*try)(void *lock, struct ft_thread *self);
    /* Makes room for a queued thread where only C can (a revocation of read bias). NULL
     * where Go never answers Retry. */
    void (*clear_way)(void *lock);
    /* Without Go (core/fallback.h): as `try`, minding no queue; there is none. */
    bool (*fallback_try)(void *lock, struct ft_thread *self);
    void (*fallback_given_up)(void *lock); /* NULL: nothing to do */
    /* Whether this thread holds the lock so that it must not wait for it. NULL where a
     * thread stays queued while it runs handlers. */
    bool (*owned)(void *lock, struct ft_thread *self);
    const char *kept; /* what is then said of a signal handler; NULL: that it kept the lock */
    size_t contend, withdraw; /* offsets of the exports in struct ft_golib */
    bool spins;               /* may a newcomer spin before it queues? */
    /* Does a try that took the lock leave the thread's id in the word, until that thread lets
     * go? Then one that was notified may try while it is queued. Where any thread may release,
     * it might have done so before Go hears of the success. */
    bool claims;
    bool handed; /* see struct ft_waiting */
    /* Does a thread stay queued while it runs signal handlers? One that waits for something
     * to happen does, or it would miss what happens meanwhile. One that waits for a lock does
     * not: it would be handed the lock and hold up the others, or the handler. */
    bool stays;
    /* Does leaving the queue to run handlers let others in that may stay for long, as readers do?
     * Then there are pauses between one run and the next. */
    bool loses_turn;
    /* In a forked child: takes back what a thread of the parent was given while it slept,
     * if it was: the state of its waiter is Notified or Granted. It has not run since, so
     * nothing is half done. NULL: nothing is given. */
    void (*take_back)(void *lock, const struct ft_thread *gone, uint32_t state);
    /* As take_back, where the seat says how much was given. */
    void (*take_back_from)(void *lock, const struct ft_seat *seat);
    /* The same of one that was given nothing and is gone all the same. NULL: it has left no
     * trace but the flags. */
    void (*forget)(void *lock, const struct ft_seat *seat);
    uint64_t flags;     /* flags in the word that waiting threads cause */
    uint32_t kind;      /* FT_KIND_… */
    enum ft_side side;  /* what a contention profile calls it */
    /* Whether a thread has to let go of something before a thread that waits like this can
     * have the lock. Asked under the registry's lock. NULL where others may end the wait. */
    bool (*blocked_by)(void *lock, struct ft_thread *t);
    /* For a dump: whether a thread holds the lock, and whether anybody has it alone, perhaps a
     * thread that has ended. NULL where nobody is known to hold it. */
    bool (*holds)(void *lock, struct ft_thread *t);
    bool (*taken)(void *lock);
    const char *what; /* the type, and the side where it has two */
    /* Of a condition: how a notified thread waits, in the queue of the lock. NULL where it is
     * not moved there. */
    const struct ft_wait_ops *moves_to;
    /* What is left to do for a task that was given the lock: Acquired, or Failed with an exception
     * set and the lock given back. NULL: nothing. */
    int (*settle)(void *lock, struct ft_thread *self);
};

/* Steps from a lock's object to its word: the head of an object and its weak references. */
#define FT_WORD_OFFSET ((Py_ssize_t)(sizeof(PyObject) + sizeof(PyObject *)))

/* Says that threads share the object that this word is in: see ft_share. */
static inline void
ft_share_object_of(void *word)
{
    ft_share((PyObject *)((char *)word - FT_WORD_OFFSET));
}

enum ft_outcome {
    FT_UNQUEUED = -3, /* a task only: there is no queue; it may load Go, or has to try again */
    FT_PENDING = -2,  /* a task only: it is queued, and its bell will ring */
    FT_FAILED = -1,
    FT_TIMED_OUT = 0,
    FT_ACQUIRED = 1,
};

/* Waits until the lock is taken, the deadline is over, or a signal handler raised: then
 * Failed with the exception set, and nothing is taken and nobody queued. */
enum ft_outcome ft_wait(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self,
                        int64_t deadline);

/* The same for a number of permits; the outcome that Go noted is in the waiter. */
enum ft_outcome ft_wait_number(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self,
                               int64_t deadline, uint64_t number);

/* Refuses to go on with a wait in whose middle a signal handler has taken the lock, or changed what
 * the thread holds of it. Returns Failed, with RuntimeError set. */
int ft_wait_refuse_kept(const struct ft_wait_ops *ops);

/* As ft_wait, but signals wait too: it ends with the lock taken. */
void ft_wait_uninterruptibly(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self);

/* The waiting of a thread that an operation has just queued, with those to be woken in its
 * waiter's chain. */
enum ft_outcome ft_wait_queued(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self,
                               int64_t deadline);

/* The rest of the wait of a task, which ft_wait has answered Pending. It was woken: Acquired, or
 * Pending once more, or Failed with an exception set. */
enum ft_outcome ft_task_resume(struct ft_thread *self);

/* Ends such a wait: TimedOut, or Acquired when it has been given the lock before. */
enum ft_outcome ft_task_withdraw(struct ft_thread *self);

/* Goes on for a thread that was moved into the queue of a lock, until that lock is taken;
 * signals wait. awake: it was woken there and has consumed that. before: the record of the wait
 * that the move has ended. */
void ft_wait_moved(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self, bool awake,
                   struct ft_record *before);

/* Number of seats of that kind in the slow path of the lock. Includes those that have not been
 * queued yet. */
int64_t ft_count_waiting(const void *lock, uint32_t kind);

/* The same of those in the queue, where there is one. */
int64_t ft_waiting_for(void *lock, uint32_t kind);

#endif
