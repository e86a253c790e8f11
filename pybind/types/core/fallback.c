#include "core/fallback.h"

#include "platform/os.h"
#include "platform/pyver.h"

/* From what a wake-up costs up to what a person does not notice. */
#define SHORTEST_US 50
#define LONGEST_US 1000
/* Ten of the longest sleeps: every waiting thread has looked by then. */
#define ROOM_US (10 * LONGEST_US)

/* Sleeps detached; a signal ends it early. The semaphore is never posted here: it is an
 * interruptible, portable way to sleep. */
static void
nap(struct ft_thread *self, int64_t us)
{
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock_timed(self->seat->semaphore, us, 1);
    Py_END_ALLOW_THREADS
}

void
ft_fallback_nap(struct ft_thread *self, int64_t deadline)
{
    int64_t us = SHORTEST_US * 4;
    if (deadline != FT_FOREVER) {
        int64_t left = (deadline - ft_os_now()) / 1000;
        us = left < us ? (left < 0 ? 0 : left + 1) : us;
    }
    nap(self, us);
}

enum ft_outcome
ft_fallback_wait(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self,
                 int64_t deadline, bool interruptible)
{
    int64_t us = SHORTEST_US;
    bool looks = false; /* once between two sleeps */
    while (!ops->fallback_try(lock, self)) {
        int64_t left = FT_FOREVER;
        if (deadline != FT_FOREVER) {
            left = deadline - ft_os_now();
        }
        looks = !looks && interruptible && ft_runs_handlers(self) && ft_signals_pending();
        /* A handler may want what only this wait keeps from it. */
        if ((left <= 0 || looks) && ops->fallback_given_up != NULL) {
            ops->fallback_given_up(lock);
        }
        if (left <= 0) {
            return FT_TIMED_OUT;
        }
        if (looks) {
            if (ft_run_handlers_waiting(self) < 0) {
                return FT_FAILED;
            }
            if (ops->owned != NULL && ops->owned(lock, self)) {
                return (enum ft_outcome)ft_wait_refuse_kept(ops);
            }
            continue; /* what was given up has to be asked for again before the sleep */
        }
        nap(self, left / 1000 < us ? left / 1000 + 1 : us);
        us = us * 2 > LONGEST_US ? LONGEST_US : us * 2;
    }
    return FT_ACQUIRED;
}

void
ft_fallback_make_room(const void *lock, const _Atomic(uint64_t) *word, uint32_t kind)
{
    struct ft_thread *self = ft_current;
    int64_t end = ft_os_now() + (int64_t)ROOM_US * 1000;
    while (ft_count_waiting(lock, kind) > 0 && atomic_load(word) >> FT_OWNER_SHIFT == 0
           && ft_os_now() < end) {
        nap(self, SHORTEST_US);
    }
}
