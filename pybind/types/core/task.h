/* Tasks of an event loop, which wait for a lock as threads do, in the same queue, but without a
 * thread that sleeps.
 *
 * A task has a record of its own (struct ft_thread), so that it is an owner as a thread is. To be
 * woken means for it that its bell rings: whoever wakes it puts it into the bell's list and makes
 * the bell's file readable, which the loop watches. No Python code runs in the thread that wakes.
 * The loop then lets each that was rung run, which asks how its wait goes on (ft_task_resume).
 *
 * One lock guards the lists of all bells, and `ring` of all tasks. It is the innermost: nothing
 * is called while it is held but the system, which does not block for it. A task and its bell
 * exist as long as a wake-up is owed to it, as its end consumes that. */
#ifndef FT_TASK_H
#define FT_TASK_H

#include "core/record.h"

/* One for each event loop. Its file is readable for as long as somebody is in its list: a loop that
 * is interrupted anywhere hears it again. */
struct ft_bell {
    int fd;
    struct ft_task *first, *last; /* rung, and not heard yet */
};

enum ft_ring {
    FT_SILENT,
    FT_RUNG,  /* in the bell's list */
    FT_HEARD, /* taken out of it by the loop, and has not asked yet how its wait goes on */
};

struct ft_task {
    struct ft_thread *record;
    struct ft_bell *bell;
    struct ft_task *next;
    enum ft_ring ring;
    struct ft_record recorded; /* its wait, from one step to the next; see core/record.h */
};

/* A task's token in its waiter; those of threads are the addresses of semaphores. */
#define FT_TOKEN_OF_TASK ((uintptr_t)1)

static inline bool
ft_token_of_task(uintptr_t token)
{
    return (token & FT_TOKEN_OF_TASK) != 0;
}

/* Makes the record of a task of the calling thread. -1 with MemoryError set. */
int ft_task_init(struct ft_task *task, struct ft_bell *bell);

/* Ends the record of one that waits no more. */
void ft_task_end(struct ft_task *task);

/* Whether there are any. */
extern _Atomic(int64_t) ft_tasks;

static inline bool
ft_tasks_exist(void)
{
    return atomic_load_explicit(&ft_tasks, memory_order_relaxed) != 0;
}

/* Wakes the task with that token. Any thread, attached or not. */
void ft_task_ring(uintptr_t token);

/* Consumes the wake-up that is owed to it and on its way. */
void ft_task_consume(struct ft_task *task);

/* Takes it out of the bell's list. */
void ft_task_hear(struct ft_task *task);

/* Whether it was rung; that is over then. */
bool ft_task_heard(struct ft_task *task);

/* The ids of the first `room` in the bell's list; returns their number. */
size_t ft_bell_rung(struct ft_bell *bell, uint64_t *ids, size_t room);

/* Around a fork. In the child nobody rings: what was under way is forgotten. */
void ft_bells_before_fork(void);
void ft_bells_after_fork_in_parent(void);
void ft_bells_after_fork_in_child(void);
void ft_task_forget(struct ft_task *task);

#endif
