/* Records of threads: their making and their end. */
#include "core/thread.h"

#include "core/record.h"
#include "platform/os.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

_Thread_local struct ft_thread *ft_current;
_Atomic(unsigned long) ft_main_ident;
_Atomic(bool) ft_signals_unseen;

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct ft_thread *threads;
static uint64_t next_id = FT_FIRST_ID; /* under the registry's lock; never reused */
static pthread_key_t exit_key;

/* Records of threads that stayed in the parent. A semaphore is memory of Python's, which
 * cannot be freed in the middle of a fork: a hook of the allocator (tracemalloc's) may need a
 * lock that is still in the hands of such a thread. Under the registry's lock. */
static struct ft_thread *buried;

void
ft_registry_lock(void)
{
    pthread_mutex_lock(&registry);
}

void
ft_registry_unlock(void)
{
    pthread_mutex_unlock(&registry);
}

struct ft_thread *
ft_registry_first(void)
{
    return threads;
}

/* ---- inspections ---- */

_Atomic(bool) ft_inspecting;

void
ft_inspect_begin(void)
{
    ft_registry_lock();
    atomic_store(&ft_inspecting, true);
}

void
ft_inspect_end(void)
{
    atomic_store(&ft_inspecting, false);
    ft_registry_unlock();
}

FT_SLOW void
ft_inspect_await_slow(void)
{
    ft_registry_lock();
    ft_registry_unlock();
}

/* ---- records ---- */

static void free_thread(struct ft_thread *t);

static void
free_buried(void)
{
    ft_registry_lock();
    struct ft_thread *t = buried, *next;
    buried = NULL;
    ft_registry_unlock();
    for (; t != NULL; t = next) {
        next = t->next;
        free_thread(t);
    }
}

/* Not in the registry yet. NULL when there is no memory. */
static struct ft_thread *
new_record(void)
{
    free_buried();
    struct ft_thread *self = aligned_alloc(FT_CACHE_LINE, sizeof *self);
    if (self != NULL) {
        memset(self, 0, sizeof *self);
        self->ident = PyThread_get_thread_ident();
        self->native = ft_os_thread_id();
        self->seat = &self->first_seat;
    }
    return self;
}

static void
enlist(struct ft_thread *self)
{
    ft_registry_lock();
    self->owner = next_id++ << FT_OWNER_SHIFT;
    self->next = threads;
    if (threads != NULL) {
        threads->prev = self;
    }
    threads = self;
    ft_registry_unlock();
    self->first_seat.waiter.id = self->owner >> FT_OWNER_SHIFT;
}

FT_SLOW struct ft_thread *
ft_self_slow(void)
{
    struct ft_thread *self = new_record();
    if (self == NULL || pthread_setspecific(exit_key, self) != 0) {
        free(self);
        PyErr_NoMemory();
        return NULL;
    }
    enlist(self);
    self->first_seat.waiter.naps = FT_SPINS && ft_spinners_most > 0;
    ft_current = self;
    return self;
}

struct ft_thread *
ft_task_record(struct ft_task *task)
{
    struct ft_thread *self = new_record();
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->task = task;
    enlist(self);
    return self;
}

int
ft_self_prepare_wait(struct ft_thread *self)
{
    struct ft_seat *seat = self->seat;
    if (FT_UNLIKELY(self->task != NULL)) {
        PyErr_SetString(PyExc_RuntimeError, "a task cannot wait like this: its event loop would stand still");
        return -1;
    }
    if (FT_LIKELY(seat->semaphore != NULL)) {
        return 0;
    }
    PyThread_type_lock semaphore = PyThread_allocate_lock();
    if (semaphore == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyThread_acquire_lock(semaphore, WAIT_LOCK); /* a semaphore of 0: nobody woke us yet */
    seat->semaphore = semaphore;
    seat->waiter.token = (uintptr_t)semaphore;
    return 0;
}

int
ft_seat_push(struct ft_thread *self)
{
    struct ft_seat *seat = calloc(1, sizeof *seat);
    if (seat == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    seat->waiter.id = self->owner >> FT_OWNER_SHIFT;
    seat->waiter.naps = self->first_seat.waiter.naps;
    seat->below = self->seat;
    ft_registry_lock();
    self->seat = seat;
    ft_registry_unlock();
    return 0;
}

static void
free_seat(struct ft_seat *seat, bool embedded)
{
    if (seat->semaphore != NULL) {
        PyThread_free_lock(seat->semaphore);
    }
    free(seat->where);
    if (!embedded) {
        free(seat);
    }
}

void
ft_seat_pop(struct ft_thread *self)
{
    struct ft_seat *seat = self->seat;
    ft_registry_lock();
    self->seat = seat->below;
    ft_registry_unlock();
    free_seat(seat, false);
}

struct ft_slots *
ft_slots_extend(struct ft_slots *last)
{
    struct ft_slots *more = aligned_alloc(FT_CACHE_LINE, sizeof *more);
    if (more == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memset(more, 0, sizeof *more);
    atomic_store(&last->more, more);
    return more;
}

/* Under the registry's lock, or by the owner. */
static bool
holds_reads(const struct ft_thread *t)
{
    for (const struct ft_slots *s = &t->reads; s != NULL; s = atomic_load(&s->more)) {
        for (int i = 0; i < FT_SLOTS; i++) {
            if (atomic_load(&s->tag[i]) != 0) {
                return true;
            }
        }
    }
    return false;
}

/* Under the registry's lock. */
static bool
waits(const struct ft_thread *t)
{
    for (const struct ft_seat *seat = t->seat; seat != NULL; seat = seat->below) {
        if (atomic_load(&seat->waiting_for) != NULL) {
            return true;
        }
    }
    return false;
}

/* Under the registry's lock. */
static void
unlink_thread(struct ft_thread *t)
{
    if (t->prev != NULL) {
        t->prev->next = t->next;
    }
    else {
        threads = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
}

static void
free_thread(struct ft_thread *t)
{
    for (struct ft_slots *s = atomic_load(&t->reads.more), *more; s != NULL; s = more) {
        more = atomic_load(&s->more);
        free(s);
    }
    for (struct ft_seat *seat = t->seat, *below; seat != NULL; seat = below) {
        below = seat->below;
        free_seat(seat, seat == &t->first_seat);
    }
    free(t);
}

/* Runs as the thread ends, without the GIL. A thread that ends with a read lock in hand
 * leaves its record: the lock stays read-locked by it, as a mutex would stay locked. */
static void
thread_exit(void *record)
{
    struct ft_thread *self = record;
    ft_current = NULL;
    ft_registry_lock();
    ft_record_thread_exit(self);
    self->ended = true;
    ft_registry_reap(self); /* a daemon thread that ends in its sleep, at exit, is still queued */
    ft_registry_unlock();
}

void
ft_task_record_end(struct ft_thread *record)
{
    ft_registry_lock();
    ft_record_thread_exit(record);
    record->task = NULL;
    record->ended = true;
    ft_registry_reap(record);
    ft_registry_unlock();
}

void
ft_registry_reap(struct ft_thread *thread)
{
    if (thread->ended && !holds_reads(thread) && !waits(thread)) {
        unlink_thread(thread);
        free_thread(thread);
    }
}

unsigned long
ft_ident_of(uint64_t owner_id)
{
    unsigned long ident = 0;
    ft_registry_lock();
    for (struct ft_thread *t = threads; t != NULL; t = t->next) {
        if (t->owner >> FT_OWNER_SHIFT == owner_id) {
            ident = t->ended ? 0 : t->ident;
            break;
        }
    }
    ft_registry_unlock();
    return ident;
}

void
ft_registry_after_fork(void (*forget)(struct ft_thread *gone), void (*recount)(struct ft_thread *t))
{
    pthread_mutex_init(&registry, NULL);
    atomic_store(&ft_inspecting, false);
    struct ft_thread *self = ft_current, *next;
    for (struct ft_thread *t = threads; t != NULL; t = t->next) {
        if (t != self) {
            forget(t);
        }
    }
    for (struct ft_thread *t = threads; t != NULL; t = t->next) {
        recount(t);
    }
    for (struct ft_thread *t = threads; t != NULL; t = next) {
        next = t->next;
        if (t != self) {
            if (t->task != NULL) { /* the task may be here, with what it holds */
                continue;
            }
            unlink_thread(t);
            t->next = buried;
            buried = t;
        }
    }
    unsigned long main = PyThread_get_thread_ident();
    if (atomic_exchange(&ft_main_ident, main) != main) {
        atomic_store(&ft_signals_unseen, true);
    }
}

bool
ft_registry_init(void)
{
    return pthread_key_create(&exit_key, thread_exit) == 0;
}
