#include "core/task.h"

#include "platform/os.h"

#include <pthread.h>
#include <sched.h>

static pthread_mutex_t bells = PTHREAD_MUTEX_INITIALIZER;

_Atomic(int64_t) ft_tasks;

int
ft_task_init(struct ft_task *task, struct ft_bell *bell)
{
    *task = (struct ft_task){.bell = bell};
    task->record = ft_task_record(task);
    if (task->record == NULL) {
        return -1;
    }
    task->record->first_seat.waiter.token = (uintptr_t)task | FT_TOKEN_OF_TASK;
    atomic_fetch_add(&ft_tasks, 1);
    return 0;
}

void
ft_task_end(struct ft_task *task)
{
    atomic_fetch_sub(&ft_tasks, 1);
    ft_task_record_end(task->record);
}

void
ft_task_ring(uintptr_t token)
{
    struct ft_task *task = (struct ft_task *)(token & ~FT_TOKEN_OF_TASK);
    pthread_mutex_lock(&bells);
    struct ft_bell *bell = task->bell;
    task->ring = FT_RUNG;
    task->next = NULL;
    if (bell->first == NULL) {
        bell->first = task;
        ft_os_bell_ring(bell->fd); /* under the lock: afterwards the bell may be gone */
    }
    else {
        bell->last->next = task;
    }
    bell->last = task;
    pthread_mutex_unlock(&bells);
}

/* Under the lock. */
static void
unlink_task(struct ft_task *task)
{
    struct ft_bell *bell = task->bell;
    struct ft_task *before = NULL;
    for (struct ft_task *t = bell->first; t != task; t = t->next) {
        before = t;
    }
    if (before == NULL) {
        bell->first = task->next;
    }
    else {
        before->next = task->next;
    }
    if (bell->last == task) {
        bell->last = before;
    }
    if (bell->first == NULL) {
        ft_os_bell_silence(bell->fd);
    }
}

void
ft_task_hear(struct ft_task *task)
{
    pthread_mutex_lock(&bells);
    if (task->ring == FT_RUNG) {
        unlink_task(task);
        task->ring = FT_HEARD;
    }
    pthread_mutex_unlock(&bells);
}

bool
ft_task_heard(struct ft_task *task)
{
    pthread_mutex_lock(&bells);
    bool heard = task->ring != FT_SILENT;
    if (task->ring == FT_RUNG) {
        unlink_task(task);
    }
    task->ring = FT_SILENT;
    pthread_mutex_unlock(&bells);
    return heard;
}

/* Whoever owes the wake-up is a few instructions from it. */
void
ft_task_consume(struct ft_task *task)
{
    while (!ft_task_heard(task)) {
        sched_yield();
    }
}

size_t
ft_bell_rung(struct ft_bell *bell, uint64_t *ids, size_t room)
{
    size_t n = 0;
    pthread_mutex_lock(&bells);
    for (struct ft_task *t = bell->first; t != NULL && n < room; t = t->next) {
        ids[n++] = t->record->owner >> FT_OWNER_SHIFT;
    }
    if (n == 0) {
        ft_os_bell_silence(bell->fd); /* in case a forked child has rung it */
    }
    pthread_mutex_unlock(&bells);
    return n;
}

void
ft_bells_before_fork(void)
{
    pthread_mutex_lock(&bells);
}

void
ft_bells_after_fork_in_parent(void)
{
    pthread_mutex_unlock(&bells);
}

void
ft_bells_after_fork_in_child(void)
{
    pthread_mutex_init(&bells, NULL);
}

void
ft_task_forget(struct ft_task *task)
{
    task->ring = FT_SILENT;
    task->bell->first = task->bell->last = NULL;
}
