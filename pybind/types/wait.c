#include "wait.h"

#include "os.h"
#include "poll.h"
#include "spin.h"

/* A signal that comes after the interpreter looked and before the thread sleeps does not
 * end the sleep. So the main thread, the one that runs handlers, looks again: soon at
 * first, since that is when it may have happened, then ever more rarely. */
#define FIRST_LOOK_NS ((int64_t)10 * 1000 * 1000)
#define LAST_LOOK_NS ((int64_t)1000 * 1000 * 1000)

void
ft_wake(struct ft_waiter *chain)
{
    while (chain != NULL) {
        struct ft_waiter *waiter = chain;
        chain = waiter->wake_next; /* first: a woken thread may be gone at once */
        PyThread_release_lock((PyThread_type_lock)waiter->token);
    }
}

static int32_t
contend(const struct ft_engine *go, const struct ft_side *side, void *lock,
        struct ft_thread *self)
{
    ft_contend_fn *fn = *(ft_contend_fn *const *)((const char *)go + side->contend);
    for (;;) {
        int32_t verdict = fn(lock, &self->waiter);
        if (FT_LIKELY(verdict != FT_VERDICT_RETRY)) {
            return verdict;
        }
        side->clear_way(lock);
    }
}

static uint32_t
state_of(struct ft_thread *self)
{
    return atomic_load(&self->waiter.state);
}

static void
forget(struct ft_thread *self)
{
    self->waiter.ticket = 0;
    atomic_store(&self->waiter.state, FT_STATE_IDLE);
}

/* Takes the thread out of the queue. True: it had been handed the lock already. */
static bool
withdraw(const struct ft_engine *go, const struct ft_side *side, void *lock,
         struct ft_thread *self, int32_t why)
{
    ft_withdraw_fn *fn = *(ft_withdraw_fn *const *)((const char *)go + side->withdraw);
    int32_t verdict = fn(lock, &self->waiter, why);
    struct ft_waiter *chain = self->waiter.chain;
    if (state_of(self) != FT_STATE_QUEUED) {
        /* Somebody took us out of Queued and owes a wake-up. It is a few instructions
         * from posting it, detached or not, so this cannot last. */
        PyThread_acquire_lock(self->semaphore, WAIT_LOCK);
    }
    ft_wake(chain);
    atomic_store(&self->waiter.state, FT_STATE_IDLE); /* the ticket stays */
    return verdict == FT_VERDICT_ACQUIRED;
}

enum slept { WOKEN, TIME_OVER, LOOK };

/* Sleeps detached, after waking chain. Waking comes after detaching: whom we hand over to
 * would otherwise wake only to wait for the GIL that we still hold. */
static enum slept
sleep_once(struct ft_thread *self, struct ft_waiter *chain, int64_t deadline, int64_t *look)
{
    enum slept slept = LOOK;
    Py_BEGIN_ALLOW_THREADS
    ft_wake(chain);
    int64_t patience = FT_FOREVER;
    if (deadline != FT_FOREVER || self->is_main) {
        int64_t now = ft_os_now();
        patience = deadline == FT_FOREVER ? FT_FOREVER : deadline > now ? deadline - now : 0;
        slept = TIME_OVER;
        if (self->is_main && patience > *look) {
            patience = *look;
            slept = LOOK;
            *look = *look >= LAST_LOOK_NS / 2 ? LAST_LOOK_NS : *look * 2;
        }
    }
    PY_TIMEOUT_T us = patience == FT_FOREVER ? -1 : (PY_TIMEOUT_T)((patience + 999) / 1000);
    switch (PyThread_acquire_lock_timed(self->semaphore, us, 1)) {
    case PY_LOCK_ACQUIRED:
        slept = WOKEN;
        break;
    case PY_LOCK_INTR:
        slept = LOOK;
        break;
    case PY_LOCK_FAILURE:
        break;
    }
    Py_END_ALLOW_THREADS
    return slept;
}

/* Out of the queue, runs the handlers of signals that have come, then back into the old
 * place. The queue is left because a handler may wait for locks itself, this one too. */
static int32_t
run_handlers(const struct ft_engine *go, const struct ft_side *side, void *lock,
             struct ft_thread *self)
{
    if (withdraw(go, side, lock, self, FT_REASON_LOOKING)) {
        return FT_VERDICT_ACQUIRED; /* the interpreter sees the signal as we return */
    }
    struct ft_waiter kept = {.ticket = self->waiter.ticket, .since = self->waiter.since};
    const void *waiting_for = atomic_load(&self->waiting_for);
    forget(self);
    atomic_store(&self->waiting_for, NULL);
    if (PyErr_CheckSignals() < 0) {
        if (ft_engine_if_loaded() != NULL) {
            go->ft_interrupted(lock);
        }
        return FT_VERDICT_WITHDRAWN;
    }
    self->waiting_kind = side->kind;
    self->waiting_flags = side->flags;
    atomic_store(&self->waiting_for, waiting_for);
    self->waiter.ticket = kept.ticket;
    self->waiter.since = kept.since;
    if (ft_engine_if_loaded() == NULL) {
        return FT_VERDICT_RETRY; /* the handler forked, and this is the child */
    }
    return contend(go, side, lock, self);
}

/* A woken thread competes with those that run. It spins for a while: falling asleep and
 * being woken again costs more than a short critical section. */
static int32_t
compete(const struct ft_engine *go, const struct ft_side *side, void *lock,
        struct ft_thread *self)
{
    struct ft_spin spin = ft_spin_start(self);
    do {
        if (side->try(lock, self, true)) {
            ft_spin_succeeded(self, &spin);
            break;
        }
    } while (ft_spin_again(&spin));
    return contend(go, side, lock, self); /* leaves the queue, or sleeps on in its place */
}

/* The waiting of a thread that Go has queued. */
static enum ft_outcome
wait_in_queue(const struct ft_engine *go, const struct ft_side *side, void *lock,
              struct ft_thread *self, int64_t deadline, struct ft_waiter *chain)
{
    int64_t look = FIRST_LOOK_NS;
    int32_t verdict = FT_VERDICT_PARK;
    while (verdict == FT_VERDICT_PARK) {
        switch (sleep_once(self, chain, deadline, &look)) {
        case WOKEN:
            if (state_of(self) == FT_STATE_GRANTED) {
                forget(self);
                return FT_ACQUIRED;
            }
            verdict = compete(go, side, lock, self);
            break;
        case TIME_OVER:
            verdict = withdraw(go, side, lock, self, FT_REASON_TIMED_OUT)
                          ? FT_VERDICT_ACQUIRED : FT_VERDICT_WITHDRAWN;
            forget(self);
            break;
        case LOOK:
            verdict = run_handlers(go, side, lock, self);
            break;
        }
        chain = NULL;
    }
    if (verdict == FT_VERDICT_RETRY) {
        return ft_poll(side, lock, self, deadline);
    }
    if (verdict == FT_VERDICT_ACQUIRED) {
        return FT_ACQUIRED;
    }
    return PyErr_Occurred() ? FT_FAILED : FT_TIMED_OUT;
}

static void
announce(const struct ft_side *side, const void *lock, struct ft_thread *self)
{
    self->waiting_kind = side->kind;
    self->waiting_flags = side->flags;
    atomic_store(&self->waiting_for, lock);
}

FT_SLOW enum ft_outcome
ft_wait(const struct ft_side *side, void *lock, struct ft_thread *self, int64_t deadline)
{
    if (side->spins) {
        struct ft_spin spin = ft_spin_start(self);
        while (ft_spin_again(&spin)) {
            if (side->try(lock, self, false)) {
                ft_spin_succeeded(self, &spin);
                return FT_ACQUIRED;
            }
        }
        ft_spin_failed(self);
    }
    if (PyErr_CheckSignals() < 0 || ft_self_prepare_wait(self) < 0) {
        return FT_FAILED;
    }
    announce(side, lock, self);
    enum ft_outcome outcome = FT_ACQUIRED;
    const struct ft_engine *go = ft_engine();
    if (go == NULL) {
        outcome = ft_poll(side, lock, self, deadline);
    }
    else if (contend(go, side, lock, self) == FT_VERDICT_PARK) {
        outcome = wait_in_queue(go, side, lock, self, deadline, NULL);
    }
    atomic_store(&self->waiting_for, NULL);
    return outcome;
}

enum ft_outcome
ft_wait_queued(const struct ft_side *side, void *lock, struct ft_thread *self,
               int64_t deadline)
{
    announce(side, lock, self);
    enum ft_outcome outcome = wait_in_queue(ft_engine_if_loaded(), side, lock, self,
                                            deadline, self->waiter.chain);
    atomic_store(&self->waiting_for, NULL);
    return outcome;
}
