/* Where threads wait: the record of a contention profile.
 *
 * A thread that is about to queue takes its Python stack and looks up the entry that counts
 * waits of this thread, for this lock, at this stack. When the wait is over it adds to the
 * entry's numbers, and does nothing else. Entries are found without a lock and made under one;
 * the table is bounded, and what has no room in it is counted. Code objects are kept, one
 * reference each; what their lines are called is asked when the recording has ended.
 *
 * A release that Go judges may find that others have waited: Go tells how long (waiter.charge),
 * and the stack of the thread that has released is charged with it.
 *
 * Who may touch what:
 *   ft_recording   set under the registry's lock; anybody may look whether it is NULL.
 *   the table      threads, while they hold the `records` lock of their own record and have
 *                  found ft_recording set since; or whoever holds the registry's lock.
 *   t->recorded    the list of waits that are being recorded: under that same lock.
 * Whoever ends the recording takes the table away, and then, with each thread's lock in turn,
 * the entries that its waits point to: from then on nobody knows the table. A thread that
 * holds its lock never asks for the registry's. */
#ifndef FT_RECORD_H
#define FT_RECORD_H

#include "core/thread.h"
#include "platform/os.h"

struct ft_wait_ops;
struct ft_table;

enum ft_side { FT_SIDE_EXCLUSIVE,
               FT_SIDE_READ,
               FT_SIDE_WRITE,
               FT_SIDE_WAIT };

/* NULL: off. */
extern struct ft_table *_Atomic ft_recording;

/* A wait that is being recorded, in the C frame of the thread that waits; of a task in its struct. */
struct ft_record {
    void *entry;
    int64_t since;
    struct ft_record *below;
    bool linked;
};

/* Whether Python code may run for a thread's name: it may while the thread is in no queue. It
 * never does while a thread acts for a task (core/task.h), which goes by its thread's name. */
enum ft_record_where { FT_RECORD_QUEUED,
                       FT_RECORD_OUTSIDE };

/* In the place of the time at which a wait has ended. */
#define FT_RECORD_NO_WAIT ((int64_t)-1)

void ft_record_begin_slow(struct ft_record *record, const struct ft_wait_ops *ops, const void *lock,
                          struct ft_thread *self, enum ft_record_where where);
void ft_record_end_slow(struct ft_record *record, struct ft_thread *self, int64_t now);
int64_t ft_record_moved_slow(struct ft_record *record, struct ft_thread *self);
void ft_record_charge_slow(const void *lock, enum ft_side side, struct ft_thread *self,
                           int64_t charge, enum ft_record_where where);
void ft_record_new_task_slow(struct ft_thread *task);
void ft_record_gone_slow(const void *lock);

static inline bool
ft_record_on(void)
{
    return FT_UNLIKELY(atomic_load_explicit(&ft_recording, memory_order_relaxed) != NULL);
}

/* Around a wait, on the slow path: begin before the thread queues, where it can be. */
static inline void
ft_record_begin(struct ft_record *record, const struct ft_wait_ops *ops, const void *lock,
                struct ft_thread *self, enum ft_record_where where)
{
    record->linked = false;
    if (ft_record_on()) {
        ft_record_begin_slow(record, ops, lock, self, where);
    }
}

static inline void
ft_record_end(struct ft_record *record, struct ft_thread *self)
{
    if (FT_UNLIKELY(record->linked)) {
        ft_record_end_slow(record, self, ft_os_now());
    }
}

/* The end of a wait for a condition that went over into one for its lock, and when that was: 0
 * if it is not known. The waiter is in the queue of the lock, or has been. */
static inline int64_t
ft_record_moved(struct ft_record *record, struct ft_thread *self)
{
    return FT_UNLIKELY(record->linked) ? ft_record_moved_slow(record, self) : 0;
}

/* As ft_record_begin for a wait that has begun already; since: 0 for now. */
static inline void
ft_record_begin_at(struct ft_record *record, const struct ft_wait_ops *ops, const void *lock,
                   struct ft_thread *self, int64_t since)
{
    ft_record_begin(record, ops, lock, self, FT_RECORD_QUEUED);
    if (since != 0) {
        record->since = since;
    }
}

/* It came to no wait. */
static inline void
ft_record_cancel(struct ft_record *record, struct ft_thread *self)
{
    if (FT_UNLIKELY(record->linked)) {
        ft_record_end_slow(record, self, FT_RECORD_NO_WAIT);
    }
}

/* After a release that Go has judged. */
static inline void
ft_record_charge(const void *lock, enum ft_side side, struct ft_thread *self, enum ft_record_where where)
{
    int64_t charge = self->seat->waiter.charge;
    if (FT_UNLIKELY(charge != 0)) {
        ft_record_charge_slow(lock, side, self, charge, where);
    }
}

/* A task's record was made, by the thread of its loop: notes the name of that, for which Python code
 * may run. The tasks that are older than the recording may have no name in it. */
static inline void
ft_record_new_task(struct ft_thread *task)
{
    if (ft_record_on()) {
        ft_record_new_task_slow(task);
    }
}

/* The lock's object goes: another at its address is another lock. */
static inline void
ft_record_gone(const void *lock)
{
    if (ft_record_on()) {
        ft_record_gone_slow(lock);
    }
}

/* The name of a lock's type, by its word: the objects know. Set once, at import. */
extern const char *(*ft_record_kind)(const void *lock);

/* Starts: of the contentions one in rate, waits of at least minimum ns, as many entries as
 * there is room for. -1 with an exception set. */
int ft_record_start(uint64_t rate, int64_t minimum, uint32_t room);

/* Stops, and returns what was recorded: a tuple of tuples, and of a list of samples
 *   locks    ((address of the word, type, name, is it one?), ...); if it is not, it is the line
 *            that made the lock, or "" where that is not known either
 *   threads  ((ident, native id, name or ""), ...)
 *   stacks   (((code object, line), ...), ...), the innermost first
 *   samples  [(holder?, side, lock, thread, stack or -1, ns, longest ns, histogram), ...]
 *   dropped  contentions without room for their stack, and without any
 * NULL with an exception set. */
PyObject *ft_record_stop(void);

/* The interpreter that records goes, and its objects with it. */
void ft_record_drop(void);

/* In a forked child, once the registry is its own. What the parent has recorded is its own,
 * whatever state it is in. */
void ft_record_after_fork(void);

/* A thread ends in its sleep, as daemon threads do at exit, or a task does in a child. Under the
 * registry's lock. */
void ft_record_thread_exit(struct ft_thread *thread);

#endif
