#include "core/wait.h"

#include "core/deadlock.h"
#include "core/fallback.h"
#include "core/spin.h"
#include "core/task.h"

int64_t
ft_count_waiting(const void *lock, uint32_t kind)
{
    int64_t n = 0;
    ft_registry_lock();
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        for (const struct ft_seat *seat = t->seat; seat != NULL; seat = seat->below) {
            n += atomic_load(&seat->waiting_for) == lock && seat->waiting_ops->kind == kind;
        }
    }
    ft_registry_unlock();
    return n;
}

int64_t
ft_waiting_for(void *lock, uint32_t kind)
{
    const struct ft_golib *go = ft_golib();
    return go != NULL ? go->ft_waiting(lock, kind) : ft_count_waiting(lock, kind);
}

/* How the loop of a lock ends. */
enum end {
    ACQUIRED,
    GAVE_UP,
    RAISED,
};

static enum ft_step
end(struct ft_waiting *wait, enum end how)
{
    wait->end = how;
    return FT_END;
}

/* ---- asking Go ---- */

static enum ft_step
contend(struct ft_waiting *wait)
{
    const struct ft_golib *go = ft_golib();
    ft_contend_fn *fn = *(ft_contend_fn *const *)((const char *)go + wait->ops->contend);
    struct ft_waiter *waiter = &wait->self->seat->waiter;
    int32_t verdict;
    waiter->number = wait->number; /* what ran since it was set may have waited on this seat */
    while ((verdict = fn(wait->lock, waiter)) == FT_VERDICT_RETRY) {
        wait->ops->clear_way(wait->lock);
    }
    ft_wake(waiter->chain);
    switch (verdict) {
    case FT_VERDICT_PARK:
        return FT_SLEEP;
    case FT_VERDICT_NAP:
        return FT_NAP;
    case FT_VERDICT_GRANTED:
        ft_consume_wakeup(wait->self);
        break;
    }
    return end(wait, ACQUIRED);
}

/* Takes the thread out of the queue; its ticket stays. True: it had been served before. */
static bool
withdraw(struct ft_waiting *wait, int32_t why)
{
    const struct ft_golib *go = ft_golib();
    ft_withdraw_fn *fn = *(ft_withdraw_fn *const *)((const char *)go + wait->ops->withdraw);
    struct ft_seat *seat = wait->self->seat;
    bool served = fn(wait->lock, &seat->waiter, why);
    ft_wake(seat->waiter.chain);
    if (ft_state(&seat->waiter) != FT_STATE_QUEUED) {
        ft_consume_wakeup(wait->self); /* somebody took us out of Queued */
    }
    atomic_store(&seat->waiter.state, FT_STATE_IDLE);
    return served;
}

/* ---- waking up ---- */

/* Tries for a while: falling asleep and being woken again costs more than a short critical
 * section. Go learns of a success from the word. */
static void
try_for_a_while(const struct ft_waiting *wait)
{
    struct ft_spin spin = ft_spin_start(&wait->self->spin);
    do {
        if (wait->ops->try(wait->lock, wait->self)) {
            ft_spin_succeeded(&wait->self->spin);
            return;
        }
    } while (ft_spin_again(&spin));
}

/* A woken thread competes with those that run: it leaves the queue with the lock, or sleeps
 * on in its place. */
static enum ft_step
compete(struct ft_waiting *wait)
{
    if (wait->ops->claims) {
        try_for_a_while(wait);
    }
    return contend(wait);
}

static enum ft_step
woken(struct ft_waiting *wait)
{
    return ft_state(&wait->self->seat->waiter) == FT_STATE_GRANTED ? end(wait, ACQUIRED) : compete(wait);
}

static enum ft_step
time_over(struct ft_waiting *wait)
{
    return end(wait, withdraw(wait, FT_REASON_TIMED_OUT) ? ACQUIRED : GAVE_UP);
}

/* ---- signals ---- */

static enum ft_step
look_queued(struct ft_waiting *wait)
{
    if (ft_run_handlers_waiting(wait->self) == 0) {
        return FT_SLEEP;
    }
    if (ft_golib() != NULL) {
        withdraw(wait, FT_REASON_INTERRUPTED);
    }
    return end(wait, RAISED);
}

FT_SLOW int
ft_wait_refuse_kept(const struct ft_wait_ops *ops)
{
    PyErr_SetString(PyExc_RuntimeError,
                    ops->kept != NULL ? ops->kept
                                      : "a signal handler took the lock that this thread was waiting for and kept it");
    return FT_FAILED;
}

/* Out of the queue, runs the handlers of signals that have come, then back into the old
 * place. For that moment the thread does not wait: readers that a writer kept out may go
 * in, a turn that comes up goes to the next. So it is done only when a signal has come. */
static enum ft_step
look_aside(struct ft_waiting *wait)
{
    struct ft_waiter *waiter = &wait->self->seat->waiter;
    if (withdraw(wait, FT_REASON_LOOKING)) {
        return end(wait, ACQUIRED); /* the interpreter sees the signal as we return */
    }
    uint64_t ticket = waiter->ticket;
    int64_t since = waiter->since;
    ft_forget(waiter);
    struct ft_pause pause = ft_announce_pause(wait->self);
    int raised = PyErr_CheckSignals();
    const struct ft_golib *go = ft_golib();
    if (raised < 0) {
        if (go != NULL) {
            go->ft_interrupted(wait->lock);
        }
        return end(wait, RAISED);
    }
    if (wait->ops->owned(wait->lock, wait->self)) {
        ft_wait_refuse_kept(wait->ops);
        return end(wait, RAISED);
    }
    ft_announce_again(wait, &pause);
    __atomic_store_n(&waiter->ticket, ticket, __ATOMIC_RELAXED); /* a dump may read it */
    waiter->since = since;
    return go == NULL ? FT_SLEEP : contend(wait); /* in a child the loop ends */
}

static enum ft_step
look(struct ft_waiting *wait)
{
    return wait->ops->stays ? look_queued(wait) : look_aside(wait);
}

/* ---- deadlocks ---- */

static enum ft_step
stuck(struct ft_waiting *wait)
{
    PyObject *circle = ft_deadlock_look(wait);
    if (circle == NULL) {
        return FT_SLEEP;
    }
    enum ft_step step;
    if (withdraw(wait, FT_REASON_INTERRUPTED)) {
        step = end(wait, ACQUIRED); /* a signal handler let go of a lock in the last moment */
    }
    else {
        ft_announce_end(wait->self); /* the text is made by Python code, which may wait */
        ft_forget(&wait->self->seat->waiter);
        ft_deadlock_raise(circle);
        step = end(wait, RAISED);
    }
    Py_DECREF(circle);
    return step;
}

static const struct ft_hooks hooks = {woken, compete, time_over, stuck, look};

/* ---- the four ways in ---- */

static struct ft_waiting
waiting(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self, int64_t deadline)
{
    return (struct ft_waiting){
        .hooks = &hooks,
        .ops = ops,
        .lock = lock,
        .self = self,
        .deadline = deadline,
        .interruptible = true,
        .handed = ops->handed,
        /* A time-out ends a wait by itself. */
        .stuck_after = ops->blocked_by != NULL && deadline == FT_FOREVER ? ft_deadlock_delay() : 0,
    };
}

/* ---- waiting ---- */

static enum ft_outcome
fall_back(struct ft_waiting *wait)
{
    wait->self->seat->waiter.number = wait->number;
    return ft_fallback_wait(wait->ops, wait->lock, wait->self, wait->deadline, wait->interruptible);
}

/* Waits in the queue, or wherever the wait already is at its end. */
static enum ft_outcome
finish(struct ft_waiting *wait, struct ft_waiter *chain, enum ft_step step)
{
    ft_wait_loop(wait, chain, step);
    ft_forget(&wait->self->seat->waiter);
    switch (wait->end) {
    case ACQUIRED:
        return FT_ACQUIRED;
    case GAVE_UP:
        return FT_TIMED_OUT;
    case RAISED:
        return FT_FAILED;
    }
    return fall_back(wait);
}

static bool
spin(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self)
{
    struct ft_spin spin = ft_spin_start(&self->spin);
    while (ft_spin_again(&spin)) {
        if (ops->try(lock, self)) {
            ft_spin_succeeded(&self->spin);
            return true;
        }
    }
    ft_spin_failed(&self->spin);
    return false;
}

static enum ft_outcome
wait_from_start(struct ft_waiting *wait)
{
    ft_wait_begin(wait);
    enum ft_outcome outcome = ft_golib() == NULL ? fall_back(wait) : finish(wait, NULL, contend(wait));
    ft_wait_end(wait);
    return outcome;
}

FT_SLOW enum ft_outcome
ft_wait(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self, int64_t deadline)
{
    return ft_wait_number(ops, lock, self, deadline, 0);
}

/* ---- tasks: they wait without a thread ---- */

/* It may be cancelled at any time, so its wait counts as one with a time-out. */
#define CANCELLABLE (FT_FOREVER - 1)

/* What a task waits for is kept by its seat from one step to the next. NULL: for nothing, or this
 * is a child, where nobody remembers. */
static struct ft_waiting
wait_of_task(struct ft_thread *self)
{
    struct ft_seat *seat = self->seat;
    void *lock = (void *)(uintptr_t)atomic_load(&seat->waiting_for);
    if (lock == NULL) {
        return (struct ft_waiting){.lock = NULL};
    }
    struct ft_waiting wait = waiting(seat->waiting_ops, lock, self, CANCELLABLE);
    wait.number = seat->waiter.number;
    return wait;
}

static enum ft_outcome
settle(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self)
{
    return ops->settle != NULL ? (enum ft_outcome)ops->settle(lock, self) : FT_ACQUIRED;
}

static enum ft_outcome
end_of_task(struct ft_waiting *wait)
{
    ft_announce_end(wait->self);
    ft_record_end(&wait->self->task->recorded, wait->self);
    ft_forget(&wait->self->seat->waiter);
    return wait->end == ACQUIRED ? settle(wait->ops, wait->lock, wait->self) : FT_TIMED_OUT;
}

static FT_SLOW enum ft_outcome
queue_task(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self, uint64_t number)
{
    struct ft_waiting wait = waiting(ops, lock, self, CANCELLABLE);
    wait.number = number;
    if (ft_golib() != NULL) {
        ft_record_begin(&self->task->recorded, ops, lock, self, FT_RECORD_QUEUED);
        ft_announce(&wait);
        return contend(&wait) == FT_END ? end_of_task(&wait) : FT_PENDING;
    }
    self->seat->waiter.number = number;
    if (ft_golib_missing() && ops->fallback_try(lock, self)) {
        return settle(ops, lock, self);
    }
    if (ops->fallback_given_up != NULL) {
        ops->fallback_given_up(lock);
    }
    return FT_UNQUEUED;
}

enum ft_outcome
ft_task_resume(struct ft_thread *self)
{
    struct ft_waiting wait = wait_of_task(self);
    return wait.lock != NULL && ft_task_heard(self->task) && woken(&wait) == FT_END ? end_of_task(&wait) : FT_PENDING;
}

enum ft_outcome
ft_task_withdraw(struct ft_thread *self)
{
    struct ft_waiting wait = wait_of_task(self);
    if (wait.lock == NULL) {
        return FT_TIMED_OUT;
    }
    wait.end = withdraw(&wait, FT_REASON_INTERRUPTED) ? ACQUIRED : GAVE_UP;
    return end_of_task(&wait);
}

/* Whether the task waits for the lock already. It would be given it before this thread, unless
 * both only want to read. */
static bool
waits_before(const struct ft_wait_ops *ops, const void *lock, const struct ft_thread *task)
{
    const struct ft_seat *seat = task->seat;
    return (const void *)(uintptr_t)atomic_load(&seat->waiting_for) == lock
           && !(ops->side == FT_SIDE_READ && seat->waiting_ops->side == FT_SIDE_READ);
}

/* Whether a task of the calling thread has to let go first, which it cannot while this thread
 * waits. No task of this thread runs meanwhile, so it is enough to ask at the beginning. */
static bool
blocks_its_loop(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self)
{
    bool found = false;
    ft_registry_lock();
    for (struct ft_thread *t = ft_registry_first(); t != NULL && !found; t = t->next) {
        found = t->task != NULL && t->ident == self->ident
                && (ops->blocked_by(lock, t) || waits_before(ops, lock, t));
    }
    ft_registry_unlock();
    return found;
}

static FT_SLOW int
refuse_blocked_loop(void)
{
    PyErr_SetString(PyExc_RuntimeError,
                    "a task of this thread's event loop holds the lock, or is before this thread in its queue, and "
                    "cannot let go while this thread waits; take it by ft_utils.aio");
    return FT_FAILED;
}

/* ---- the beginning ---- */

FT_SLOW enum ft_outcome
ft_wait_number(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self, int64_t deadline,
               uint64_t number)
{
    if (FT_UNLIKELY(self->task != NULL)) {
        return queue_task(ops, lock, self, number);
    }
    if (ops->spins && spin(ops, lock, self)) {
        return FT_ACQUIRED;
    }
    /* Python code may run in all of these, and do anything to the lock. */
    ft_golib_load();
    if (PyErr_CheckSignals() < 0 || ft_self_prepare_wait(self) < 0) {
        return FT_FAILED;
    }
    struct ft_record record;
    ft_record_begin(&record, ops, lock, self, FT_RECORD_OUTSIDE);
    if (ops->owned != NULL && ops->owned(lock, self)) {
        ft_record_cancel(&record, self);
        return ft_wait_refuse_kept(ops);
    }
    if (FT_UNLIKELY(ft_tasks_exist()) && deadline == FT_FOREVER && ops->blocked_by != NULL
        && blocks_its_loop(ops, lock, self)) {
        ft_record_cancel(&record, self);
        return refuse_blocked_loop();
    }
    struct ft_waiting wait = waiting(ops, lock, self, deadline);
    wait.number = number;
    enum ft_outcome outcome = wait_from_start(&wait);
    ft_record_end(&record, self);
    return outcome;
}

/* The seat is ready: it is the wait of a thread that has waited before. */
FT_SLOW void
ft_wait_uninterruptibly(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self)
{
    ft_golib_load();
    struct ft_waiting wait = waiting(ops, lock, self, FT_FOREVER);
    wait.interruptible = false;
    struct ft_record record;
    ft_record_begin(&record, ops, lock, self, FT_RECORD_QUEUED);
    while (wait_from_start(&wait) != FT_ACQUIRED) {
    }
    ft_record_end(&record, self);
}

enum ft_outcome
ft_wait_queued(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self, int64_t deadline)
{
    struct ft_waiting wait = waiting(ops, lock, self, deadline);
    wait.handed = true;
    struct ft_record record;
    ft_record_begin(&record, ops, lock, self, FT_RECORD_QUEUED);
    ft_wait_begin(&wait);
    enum ft_outcome outcome = finish(&wait, self->seat->waiter.chain, FT_SLEEP);
    ft_wait_end(&wait);
    ft_record_end(&record, self);
    return outcome;
}

void
ft_wait_moved(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self, bool awake,
              struct ft_record *before)
{
    int64_t moved = ft_record_moved(before, self);
    struct ft_waiting wait = waiting(ops, lock, self, FT_FOREVER);
    wait.interruptible = false;
    wait.handed = true;
    struct ft_record record;
    ft_record_begin_at(&record, ops, lock, self, moved);
    ft_wait_begin(&wait);
    finish(&wait, NULL, awake ? woken(&wait) : FT_SLEEP);
    ft_wait_end(&wait);
    ft_record_end(&record, self);
}
