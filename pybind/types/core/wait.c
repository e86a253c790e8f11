#include "core/wait.h"

#include "platform/os.h"
#include "core/poll.h"
#include "platform/pyver.h"
#include "core/spin.h"

/* A signal that comes after the interpreter looked and before the thread sleeps does not
 * end the sleep. So the main thread, the one that runs handlers, looks again: soon at
 * first (FT_FIRST_LOOK), since that is when it may have happened, then ever more rarely. */
#define LAST_LOOK ((int64_t)1000 * 1000 * 1000)

/* One wait. */
struct wait {
    const struct ft_engine *go;
    const struct ft_side *side;
    void *lock;
    struct ft_thread *self;
    int64_t deadline;
    bool interruptible;
    bool handed; /* see struct ft_side */
};

void
ft_wake(struct ft_waiter *chain)
{
    while (chain != NULL) {
        struct ft_waiter *waiter = chain;
        chain = waiter->wake_next; /* first: a woken thread may be gone at once */
        PyThread_release_lock((PyThread_type_lock)waiter->token);
    }
}

void
ft_forget(struct ft_waiter *waiter)
{
    waiter->ticket = 0;
    atomic_store(&waiter->state, FT_STATE_IDLE);
}

void
ft_announce(const struct ft_side *side, const void *lock, struct ft_thread *self)
{
    if (lock != NULL) {
        self->seat->waiting_side = side;
    }
    atomic_store(&self->seat->waiting_for, lock);
}

int64_t
ft_count_waiting(const void *lock, uint32_t kind)
{
    int64_t n = 0;
    ft_registry_lock();
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        for (const struct ft_seat *seat = t->seat; seat != NULL; seat = seat->below) {
            n += atomic_load(&seat->waiting_for) == lock && seat->waiting_side->kind == kind;
        }
    }
    ft_registry_unlock();
    return n;
}

/* ---- sleeping ---- */

/* How long to sleep, and what the end of that time will mean. */
static int64_t
patience(struct ft_thread *self, int64_t deadline, int64_t *look, enum ft_slept *meaning)
{
    int64_t ns = FT_FOREVER;
    *meaning = FT_TIME_OVER;
    if (deadline != FT_FOREVER) {
        int64_t now = ft_os_now();
        ns = deadline > now ? deadline - now : 0;
    }
    if (look != NULL && self->is_main && ns > *look) {
        ns = *look;
        *meaning = FT_LOOK;
        *look = *look >= LAST_LOOK / 4 ? LAST_LOOK : *look * 4;
    }
    return ns;
}

/* Waking comes after detaching: whom we hand over to would otherwise wake only to wait for
 * the GIL that we still hold. */
enum ft_slept
ft_sleep(struct ft_thread *self, struct ft_waiter *chain, bool handed, int64_t deadline,
         int64_t *look)
{
    enum ft_slept slept;
    PyThread_type_lock semaphore = self->seat->semaphore;
    Py_BEGIN_ALLOW_THREADS
    ft_wake(chain);
    if (handed && ft_spin_asleep(&self->spin, semaphore)) {
        Py_BLOCK_THREADS
        return FT_WOKEN;
    }
    int64_t ns = patience(self, deadline, look, &slept);
    PY_TIMEOUT_T us = ns == FT_FOREVER ? -1 : (PY_TIMEOUT_T)((ns + 999) / 1000);
    switch (PyThread_acquire_lock_timed(semaphore, us, look != NULL)) {
    case PY_LOCK_ACQUIRED:
        slept = FT_WOKEN;
        break;
    case PY_LOCK_INTR:
        slept = FT_LOOK;
        break;
    case PY_LOCK_FAILURE:
        break;
    }
    Py_END_ALLOW_THREADS
    return slept;
}

/* ---- asking Go ---- */

static int32_t
contend(const struct wait *wait)
{
    ft_contend_fn *fn = *(ft_contend_fn *const *)((const char *)wait->go + wait->side->contend);
    for (;;) {
        int32_t verdict = fn(wait->lock, &wait->self->seat->waiter);
        if (FT_LIKELY(verdict != FT_VERDICT_RETRY)) {
            ft_wake(wait->self->seat->waiter.chain);
            return verdict;
        }
        wait->side->clear_way(wait->lock);
    }
}

/* Takes the thread out of the queue; its ticket stays. Acquired: it had been handed the
 * lock already. */
static int32_t
withdraw(const struct wait *wait, int32_t why)
{
    ft_withdraw_fn *fn = *(ft_withdraw_fn *const *)((const char *)wait->go + wait->side->withdraw);
    struct ft_seat *seat = wait->self->seat;
    int32_t verdict = fn(wait->lock, &seat->waiter, why);
    struct ft_waiter *chain = seat->waiter.chain;
    ft_wake(chain);
    if (ft_state(&seat->waiter) != FT_STATE_QUEUED) {
        /* Somebody took us out of Queued and owes a wake-up. It is a few instructions
         * from posting it, detached or not, so this cannot last. */
        PyThread_acquire_lock(seat->semaphore, WAIT_LOCK);
    }
    atomic_store(&seat->waiter.state, FT_STATE_IDLE);
    return verdict;
}

/* Tries for a while: falling asleep and being woken again costs more than a short critical
 * section. Go learns of a success from the word. */
static void
try_for_a_while(const struct wait *wait)
{
    struct ft_spin spin = ft_spin_start(&wait->self->spin);
    do {
        if (wait->side->try(wait->lock, wait->self)) {
            ft_spin_succeeded(&wait->self->spin);
            return;
        }
    } while (ft_spin_again(&spin));
}

/* A woken thread competes with those that run: it leaves the queue with the lock, or sleeps
 * on in its place. */
static int32_t
compete(const struct wait *wait)
{
    if (wait->side->claims) {
        try_for_a_while(wait);
    }
    return contend(wait);
}

static int32_t
woken(const struct wait *wait)
{
    struct ft_waiter *waiter = &wait->self->seat->waiter;
    if (ft_state(waiter) == FT_STATE_GRANTED) {
        ft_forget(waiter);
        return FT_VERDICT_ACQUIRED;
    }
    return compete(wait);
}

/* ---- signals ---- */

int
ft_run_handlers_waiting(struct ft_thread *self)
{
    if (ft_seat_push(self) < 0) {
        return -1;
    }
    int raised = PyErr_CheckSignals();
    ft_seat_pop(self);
    return raised;
}

static int32_t
look_queued(const struct wait *wait)
{
    int raised = ft_run_handlers_waiting(wait->self);
    if (ft_engine_if_loaded() == NULL) {
        return raised < 0 ? FT_VERDICT_WITHDRAWN : FT_VERDICT_RETRY; /* a handler forked: a child */
    }
    if (raised == 0) {
        return FT_VERDICT_PARK;
    }
    withdraw(wait, FT_REASON_INTERRUPTED);
    return FT_VERDICT_WITHDRAWN;
}

static FT_SLOW enum ft_outcome
refuse_kept(void)
{
    PyErr_SetString(PyExc_RuntimeError,
                    "a signal handler took the lock that this thread was waiting for and kept it");
    return FT_FAILED;
}

/* Out of the queue, runs the handlers of signals that have come, then back into the old
 * place. For that moment the thread does not wait: readers that a writer kept out may go
 * in, a turn that comes up goes to the next. So it is done only when a signal has come. */
static int32_t
look_aside(const struct wait *wait)
{
    struct ft_waiter *waiter = &wait->self->seat->waiter;
    if (withdraw(wait, FT_REASON_LOOKING) == FT_VERDICT_ACQUIRED) {
        return FT_VERDICT_ACQUIRED; /* the interpreter sees the signal as we return */
    }
    uint64_t ticket = waiter->ticket;
    int64_t since = waiter->since;
    ft_forget(waiter);
    ft_announce(wait->side, NULL, wait->self);
    int raised = PyErr_CheckSignals();
    if (ft_engine_if_loaded() == NULL) {
        return raised < 0 ? FT_VERDICT_WITHDRAWN : FT_VERDICT_RETRY; /* a handler forked: a child */
    }
    if (raised < 0) {
        wait->go->ft_interrupted(wait->lock);
        return FT_VERDICT_WITHDRAWN;
    }
    if (wait->side->held(wait->lock, wait->self)) {
        refuse_kept();
        return FT_VERDICT_WITHDRAWN;
    }
    ft_announce(wait->side, wait->lock, wait->self);
    waiter->ticket = ticket;
    waiter->since = since;
    return contend(wait);
}

/* ---- the loop ---- */

static int32_t
look(const struct wait *wait)
{
    return wait->side->stays ? look_queued(wait) : look_aside(wait);
}

/* When the nap of a notified thread that found the lock taken is over. */
static int64_t
nap_over(const struct wait *wait)
{
    int64_t over = ft_os_now() + FT_NAP_NS;
    return over < wait->deadline ? over : wait->deadline;
}

static int32_t
after_nap(const struct wait *wait)
{
    int32_t verdict = compete(wait);
    if (verdict == FT_VERDICT_GRANTED) {
        PyThread_acquire_lock(wait->self->seat->semaphore, WAIT_LOCK);
        verdict = FT_VERDICT_ACQUIRED;
    }
    return verdict;
}

/* What the end of a sleep means. FT_LOOK changes nothing: the loop looks for signals. */
static int32_t
after_sleep(const struct wait *wait, enum ft_slept slept, int32_t verdict)
{
    if (FT_UNLIKELY(ft_engine_if_loaded() == NULL)) {
        return FT_VERDICT_RETRY; /* a handler forked, and this is the child */
    }
    if (slept == FT_WOKEN) {
        return woken(wait);
    }
    if (slept == FT_LOOK) {
        return verdict;
    }
    bool napped = verdict == FT_VERDICT_NAP && (wait->deadline == FT_FOREVER || ft_os_now() < wait->deadline);
    return napped ? after_nap(wait) : withdraw(wait, FT_REASON_TIMED_OUT);
}

/* Between two sleeps the thread looks for signals once. */
static enum ft_outcome
wait_in_queue(const struct wait *wait, struct ft_waiter *chain, int32_t verdict)
{
    int64_t pause = FT_FIRST_LOOK;
    bool looks = wait->interruptible && wait->self->is_main, looked = false;
    while (verdict == FT_VERDICT_PARK || verdict == FT_VERDICT_NAP) {
        if (looks && !looked && chain == NULL && ft_signals_pending()) {
            verdict = look(wait);
            looked = true;
            continue;
        }
        bool naps = verdict == FT_VERDICT_NAP;
        enum ft_slept slept = ft_sleep(wait->self, chain, wait->handed && !naps,
                                       naps ? nap_over(wait) : wait->deadline,
                                       wait->interruptible ? &pause : NULL);
        chain = NULL;
        looked = false;
        verdict = after_sleep(wait, slept, verdict);
    }
    ft_forget(&wait->self->seat->waiter);
    if (verdict == FT_VERDICT_RETRY) {
        return ft_poll(wait->side, wait->lock, wait->self, wait->deadline, wait->interruptible);
    }
    if (verdict == FT_VERDICT_ACQUIRED) {
        return FT_ACQUIRED;
    }
    return wait->interruptible && PyErr_Occurred() ? FT_FAILED : FT_TIMED_OUT;
}

static bool
spin(const struct ft_side *side, void *lock, struct ft_thread *self)
{
    struct ft_spin spin = ft_spin_start(&self->spin);
    while (ft_spin_again(&spin)) {
        if (side->try(lock, self)) {
            ft_spin_succeeded(&self->spin);
            return true;
        }
    }
    ft_spin_failed(&self->spin);
    return false;
}

static enum ft_outcome
wait_from_start(const struct wait *wait)
{
    ft_announce(wait->side, wait->lock, wait->self);
    enum ft_outcome outcome;
    if (wait->go == NULL) {
        outcome = ft_poll(wait->side, wait->lock, wait->self, wait->deadline, wait->interruptible);
    }
    else {
        int32_t verdict = contend(wait);
        outcome = verdict == FT_VERDICT_ACQUIRED ? FT_ACQUIRED : wait_in_queue(wait, NULL, verdict);
    }
    ft_announce(wait->side, NULL, wait->self);
    return outcome;
}

FT_SLOW enum ft_outcome
ft_wait(const struct ft_side *side, void *lock, struct ft_thread *self, int64_t deadline)
{
    if (side->spins && spin(side, lock, self)) {
        return FT_ACQUIRED;
    }
    /* Python code may run in both of the first, and do anything to the lock. */
    const struct ft_engine *go = ft_engine();
    if (PyErr_CheckSignals() < 0 || ft_self_prepare_wait(self) < 0) {
        return FT_FAILED;
    }
    if (side->held != NULL && side->held(lock, self)) {
        return refuse_kept();
    }
    if (go != NULL) {
        go = ft_engine_if_loaded(); /* a handler may have forked */
    }
    struct wait wait = {go, side, lock, self, deadline, true, side->handed};
    return wait_from_start(&wait);
}

/* The seat is ready: it is the wait of a thread that has waited before. */
FT_SLOW void
ft_wait_uninterruptibly(const struct ft_side *side, void *lock, struct ft_thread *self)
{
    struct wait wait = {ft_engine(), side, lock, self, FT_FOREVER, false, side->handed};
    while (wait_from_start(&wait) != FT_ACQUIRED) {
    }
}

enum ft_outcome
ft_wait_queued(const struct ft_side *side, void *lock, struct ft_thread *self,
               int64_t deadline)
{
    ft_announce(side, lock, self);
    struct wait wait = {ft_engine_if_loaded(), side, lock, self, deadline, true, true};
    enum ft_outcome outcome = wait_in_queue(&wait, self->seat->waiter.chain, FT_VERDICT_PARK);
    ft_announce(side, NULL, self);
    return outcome;
}

void
ft_wait_moved(const struct ft_side *side, void *lock, struct ft_thread *self, bool awake)
{
    ft_announce(side, lock, self);
    struct wait wait = {ft_engine_if_loaded(), side, lock, self, FT_FOREVER, false, true};
    int32_t verdict = awake ? woken(&wait) : FT_VERDICT_PARK;
    if (verdict != FT_VERDICT_ACQUIRED) {
        wait_in_queue(&wait, NULL, verdict);
    }
    ft_announce(side, NULL, self);
}
