/* The record of a thread.
 *
 * Every thread that touches a lock owns one record. It holds the thread's identity for
 * the words of the locks, the read locks that it holds, and its seats to wait on. It is
 * made at the first touch and freed when the thread ends; `ft_self` finds it in one load.
 *
 * Who may touch what:
 *   slots.tag      the owner stores, exchanges and compares-and-swaps; the holder of the
 *                  registry's lock may turn Published into Counted, or a tag of a lock
 *                  that ceases to exist into 0. All sequentially consistent.
 *   slots.again    the owner writes; the registry's holder may read.
 *   seat           the owner reads; it changes the list of its seats under the registry's
 *                  lock, so the holder of that may walk it.
 *   waiting_for    the owner writes; the registry's holder may read, and go on to the lock
 *                  that it names in an inspection only.
 *   waiter         see golib/parking: the bucket's lock.
 *   the rest       the owner, or nobody any more.
 */
#ifndef FT_THREAD_H
#define FT_THREAD_H

#include "platform/common.h"
#include "core/pace.h"
#include "core/spin.h"

struct ft_wait_ops;
struct ft_record;
struct ft_known_thread;
struct ft_task;

/* A slot says: this thread holds a read lock on that lock. The lock's address and in its
 * low bits how the lock knows of it. */
#define FT_TAG_PUBLISHED ((uintptr_t)1) /* by this record alone: a writer must look here */
#define FT_TAG_COUNTED ((uintptr_t)2)   /* by the count in its word */
/* Beside Counted: it is the upgradable one; `again` is then one more (locks/rwupgrade.h). Alone:
 * the address is that of a lock's gate, which this thread has, or is about to. */
#define FT_TAG_UPGRADABLE ((uintptr_t)4)
#define FT_TAG_MASK ((uintptr_t)7)

/* Six tags, the link and the mark fill one cache line: the one that a writer has to fetch
 * of each thread. Threads that hold more read locks at a time chain further lines. */
#define FT_SLOTS 6

struct ft_slots {
    _Alignas(FT_CACHE_LINE) _Atomic(uintptr_t) tag[FT_SLOTS];
    struct ft_slots *_Atomic more;
    uint32_t used; /* all slots from here on are empty */
    _Alignas(FT_CACHE_LINE) _Atomic(uint32_t) again[FT_SLOTS]; /* nested reads per slot */
};

/* A seat to wait on: what Go queues, and the semaphore that is posted to wake it. A thread has
 * one. Python code may run while the thread waits: handlers of signals, the release() of a
 * lock that is not ours. Whatever that code waits for, it waits on a seat of its own, stacked
 * on the others. */
struct ft_seat {
    struct ft_waiter waiter;
    PyThread_type_lock semaphore;      /* made at the first wait */
    _Atomic(const void *) waiting_for; /* the lock's struct, while in its slow path */
    const struct ft_wait_ops *_Atomic waiting_ops; /* how; valid while waiting_for is set */
    struct ft_seat *below;
    /* For a dump, which reads the frames of a thread that sleeps: see core/dump.h. */
    _Atomic(int) parked;     /* enum ft_parked */
    const void *frames;      /* written by the owner before Parked */
    _Atomic(int64_t) since; /* ft_os_about_now() when the wait began */
    /* For whoever looks for a deadlock. The owner writes the first three before waiting_for;
     * the rest is written and read under the registry's lock. */
    _Atomic(bool) untimed; /* this wait has no time-out */
    _Atomic(bool) may_raise; /* it may end with an exception */
    _Atomic(uint64_t) waits; /* another number for each wait */
    bool doomed;            /* it is about to end with one */
    bool reported;          /* its circle has been reported */
    int64_t stuck_since;    /* ft_os_now() when it began */
    char *where;            /* the line that waits; NULL: not noted yet */
};

/* The owner goes from Running to Parked and back; whoever dumps from Parked to Read and back,
 * under the registry's lock. While it is Read the owner may not go on. */
enum ft_parked {
    FT_RUNNING,
    FT_PARKED,
    FT_READ,
};

struct ft_thread {
    struct ft_slots reads;
    uint64_t owner; /* id << FT_OWNER_SHIFT: what the word says of a lock that it holds */
    unsigned long ident;             /* threading.get_ident() */
    int native;                      /* threading.get_native_id() */
    struct ft_pace pace;
    struct ft_spin_budget spin;
    bool ended;                      /* the thread is gone, with read locks in hand */
    struct ft_task *task;            /* of a task of an event loop, which shares its thread; else NULL: core/task.h */
    struct ft_seat *seat;            /* the topmost */
    struct ft_seat first_seat;
    struct ft_thread *next, *prev;   /* the registry */
    struct ft_thread *from, *tried;  /* see deadlock.c; under the registry's lock, as: */
    uint64_t walk, seen_waits;
    struct ft_thread *walked;        /* the one before, of those that a walk has gone on to, and: */
    void *walked_for;                /* what this one waited for then */
    const struct ft_wait_ops *walked_how;
    _Atomic(uint32_t) records;       /* the lock of the rest: see core/record.h */
    bool named;                      /* in this session, or it was tried */
    struct ft_record *recorded;      /* the innermost wait that is being recorded */
    struct ft_known_thread *known;   /* this thread in the table of that session: */
    uint64_t session, random;
};

extern _Thread_local struct ft_thread *ft_current;

/* Makes the record. NULL with MemoryError set when there is no memory. */
struct ft_thread *ft_self_slow(void);

/* The calling thread's record. */
static inline struct ft_thread *
ft_self(void)
{
    struct ft_thread *self = ft_current;
    return FT_LIKELY(self != NULL) ? self : ft_self_slow();
}

/* The record of a task that runs in the calling thread, and its end: as for a thread, what it
 * holds stays held. NULL with MemoryError set when there is no memory. Of a task nobody waits. */
struct ft_thread *ft_task_record(struct ft_task *task);
void ft_task_record_end(struct ft_thread *record);

/* threading.main_thread().ident, as it was when the module was made last, or in a forked child
 * that of the thread that forked. */
extern _Atomic(unsigned long) ft_main_ident;

/* Whether this thread runs Python's signal handlers. It need not be the process's first: a program
 * may embed Python in another. */
static inline bool
ft_runs_handlers(const struct ft_thread *self)
{
    return self->ident == atomic_load_explicit(&ft_main_ident, memory_order_relaxed);
}

/* Makes the topmost seat ready for use. -1 with MemoryError set when there is no memory, or with
 * RuntimeError for a task: it would put its event loop to sleep. */
int ft_self_prepare_wait(struct ft_thread *self);

/* Puts a new seat on top, and takes it away: around all Python code that runs while this
 * thread waits. -1 with MemoryError set when there is no memory. */
int ft_seat_push(struct ft_thread *self);
void ft_seat_pop(struct ft_thread *self);

/* One more line of slots for a thread that holds many read locks, or NULL with
 * MemoryError set. */
struct ft_slots *ft_slots_extend(struct ft_slots *last);

/* The registry of all records. Held for short: nothing in between may call Python. */
void ft_registry_lock(void);
void ft_registry_unlock(void);
struct ft_thread *ft_registry_first(void);

/* The registry's lock keeps no thread from ending its wait, and nobody from freeing the lock
 * that it waited for. So whoever follows waiting_for into the memory of a lock does that in an
 * inspection, which has the registry's lock from beginning to end. */
void ft_inspect_begin(void);
void ft_inspect_end(void);

/* Written under the registry's lock. */
extern _Atomic(bool) ft_inspecting;
void ft_inspect_await_slow(void);

/* Before the memory of a lock is freed, once no thread announces a wait for it: lets an
 * inspection end that may have seen such a wait. Both sides write first and read then,
 * sequentially consistent (Dekker): the inspection finds no wait for this lock any more, or it
 * is seen here. Not under the registry's lock. */
static inline void
ft_inspect_await(void)
{
    if (FT_UNLIKELY(atomic_load(&ft_inspecting))) {
        ft_inspect_await_slow();
    }
}

/* Frees the record of an ended thread that holds nothing any more. Under the registry's
 * lock. */
void ft_registry_reap(struct ft_thread *thread);

/* threading.get_ident() of the thread with that owner's id, 0 if it has ended. */
unsigned long ft_ident_of(uint64_t owner_id);

/* The thread-specific key by which records end with their threads: once a process. */
bool ft_registry_init(void);

/* In a forked child, where the registry's lock is in whatever state it was: makes it new, and
 * takes all records but the caller's out of the list, after forget has seen each of these, and
 * then recount every record. */
void ft_registry_after_fork(void (*forget)(struct ft_thread *gone), void (*recount)(struct ft_thread *t));

#endif
