#include "core/record.h"

#include "core/table.h"
#include "core/wait.h"
#include "platform/os.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct ft_table *_Atomic ft_recording;
const char *(*ft_record_kind)(const void *lock);

/* ---- a thread's own lock ---- */

static void
enter(struct ft_thread *t)
{
    while (atomic_exchange(&t->records, 1) != 0) {
        sched_yield(); /* the recording is being ended, or this thread is in the middle of it */
    }
}

static void
leave(struct ft_thread *t)
{
    atomic_store(&t->records, 0);
}

/* ---- names ---- */

/* threading's object for a thread: a new reference, or NULL. Without threading's own lock, which
 * the interrupted code may hold, and without importing anything. */
static PyObject *
thread_object(unsigned long ident)
{
    PyObject *threading = NULL, *active = NULL, *key = NULL, *thread = NULL;
    if (PyDict_GetItemStringRef(PyImport_GetModuleDict(), "threading", &threading) > 0
        && PyObject_GetOptionalAttrString(threading, "_active", &active) > 0 && PyDict_Check(active)
        && (key = PyLong_FromUnsignedLong(ident)) != NULL) {
        PyDict_GetItemRef(active, key, &thread);
    }
    Py_XDECREF(key);
    Py_XDECREF(active);
    Py_XDECREF(threading);
    return thread;
}

static void
look_up_name(unsigned long ident, char *name, size_t size)
{
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *thread = thread_object(ident), *text = NULL;
    if (thread != NULL && PyObject_GetOptionalAttrString(thread, "_name", &text) > 0 && PyUnicode_Check(text)) {
        const char *utf8 = PyUnicode_AsUTF8(text);
        strncpy(name, utf8 == NULL ? "" : utf8, size - 1);
    }
    Py_XDECREF(text);
    Py_XDECREF(thread);
    PyErr_Clear();
    PyErr_SetRaisedException(raised);
}

/* ---- recording ---- */

/* What is found out before the thread enters its lock: Python code may run for the name, once
 * in a recording. */
struct found {
    int n;
    char name[sizeof((struct ft_known_thread *)0)->name];
    struct ft_frame frames[FT_DEPTH];
};

static void
find_out(struct found *found, struct ft_thread *self, enum ft_record_where where)
{
    found->name[0] = 0;
    if (where == FT_RECORD_OUTSIDE && !self->named && self->task == NULL) {
        self->named = true; /* first: the code may wait itself */
        memset(found->name, 0, sizeof found->name);
        look_up_name(self->ident, found->name, sizeof found->name);
    }
    found->n = ft_frames(found->frames, FT_DEPTH);
}

/* The table, if this is a thread that records in it. The thread's lock is entered. */
static struct ft_table *
table_of(struct ft_thread *self)
{
    struct ft_table *table = atomic_load(&ft_recording);
    if (table == NULL || table->interpreter != PyInterpreterState_Get()) {
        return NULL;
    }
    if (self->session != table->session) {
        self->session = table->session;
        self->known = ft_table_thread(table, self);
        self->named = false;
        self->random = self->owner ^ table->session << 32;
    }
    return table;
}

static struct ft_entry *
entry_of(struct ft_table *table, struct ft_thread *self, const void *lock, enum ft_side side, bool holder,
         const struct found *found)
{
    struct ft_known_thread *thread = self->known;
    struct ft_known_lock *known = thread == NULL ? NULL : ft_table_lock(table, lock);
    if (known == NULL) {
        return NULL;
    }
    if (found->name[0] != 0) {
        memcpy(thread->name, found->name, sizeof thread->name);
    }
    struct ft_key key = {ft_table_stack(table, found->frames, found->n), known, thread, side, holder};
    struct ft_entry *entry = ft_table_entry(table, &key);
    if (entry == NULL && key.stack != NULL) {
        key.stack = NULL; /* there may be one of the stacks that were dropped */
        entry = ft_table_entry(table, &key);
    }
    return entry;
}

/* One in so many, at random: a thread that alternates between two locks would otherwise be seen
 * at one of them alone. (Marsaglia's xorshift) */
static bool
chosen(struct ft_table *table, struct ft_thread *self)
{
    if (table->rate == 1) {
        return true;
    }
    uint64_t x = self->random | 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    self->random = x;
    return (x * 0x9E3779B97F4A7C15u >> 32) % table->rate == 0;
}

/* Whether this thread records, and of those that draw lots, this contention. */
static bool
records(struct ft_thread *self, bool lots)
{
    enter(self);
    struct ft_table *table = table_of(self);
    bool answer = table != NULL && (!lots || chosen(table, self));
    leave(self);
    return answer;
}

FT_SLOW void
ft_record_begin_slow(struct ft_record *record, const struct ft_wait_ops *ops, const void *lock,
                     struct ft_thread *self, enum ft_record_where where)
{
    if (!records(self, true)) {
        return;
    }
    struct found found;
    find_out(&found, self, where);
    enter(self);
    struct ft_table *table = table_of(self); /* it may be another by now */
    if (table != NULL) {
        struct ft_entry *entry = entry_of(table, self, lock, ops->side, false, &found);
        record->entry = entry == NULL ? &table->lost : entry;
        record->linked = true;
        record->below = self->recorded;
        self->recorded = record;
        record->since = ft_os_now();
    }
    leave(self);
}

/* The recording may have ended since, and this wait with it. */
FT_SLOW void
ft_record_end_slow(struct ft_record *record, struct ft_thread *self, int64_t now)
{
    enter(self);
    struct ft_record **at = &self->recorded;
    while (*at != record && *at != NULL) {
        at = &(*at)->below;
    }
    if (*at == record) {
        *at = record->below;
        struct ft_table *table = atomic_load(&ft_recording);
        int64_t ns = now - record->since;
        bool counts = now != FT_RECORD_NO_WAIT && record->entry != NULL && table != NULL;
        if (counts && ns >= table->minimum) {
            ft_entry_add(record->entry, ns);
        }
    }
    leave(self);
    record->linked = false;
}

FT_SLOW int64_t
ft_record_moved_slow(struct ft_record *record, struct ft_thread *self)
{
    const struct ft_golib *go = ft_golib();
    int64_t moved = ft_os_now() - (go == NULL ? 0 : go->ft_waited(&self->seat->waiter));
    ft_record_end_slow(record, self, moved);
    return moved;
}

FT_SLOW void
ft_record_charge_slow(const void *lock, enum ft_side side, struct ft_thread *self, int64_t charge,
                      enum ft_record_where where)
{
    if (!records(self, false)) {
        return;
    }
    struct found found;
    find_out(&found, self, where);
    enter(self);
    struct ft_table *table = table_of(self);
    struct ft_entry *entry = table == NULL ? NULL : entry_of(table, self, lock, side, true, &found);
    if (entry != NULL) {
        ft_entry_add(entry, charge);
    }
    leave(self);
}

FT_SLOW void
ft_record_new_task_slow(struct ft_thread *task)
{
    char name[sizeof task->known->name] = "";
    for (int named = 0; named < 2; named++) {
        enter(task);
        bool wanted = table_of(task) != NULL && task->known != NULL && task->known->name[0] == 0;
        if (wanted && named) {
            memcpy(task->known->name, name, sizeof name);
        }
        leave(task);
        if (!wanted || named) {
            return;
        }
        look_up_name(task->ident, name, sizeof name);
    }
}

/* For the table a thread's own lock is enough. One that has touched no lock yet has none. */
FT_SLOW void
ft_record_gone_slow(const void *lock)
{
    struct ft_thread *self = ft_current;
    if (self != NULL) {
        enter(self);
    }
    else {
        ft_registry_lock();
    }
    struct ft_table *table = atomic_load(&ft_recording);
    struct ft_known_lock *known = table == NULL ? NULL : ft_table_find_lock(table, lock);
    if (known != NULL) {
        atomic_store(&known->gone, true);
    }
    if (self != NULL) {
        leave(self);
    }
    else {
        ft_registry_unlock();
    }
}

/* ---- on and off ---- */

/* Go has to know, for what it tells of the holders. Locks that are made meanwhile note the line
 * that made them. Under the registry's lock. */
static void
set_table(struct ft_table *table)
{
    atomic_store(&ft_recording, table);
    atomic_store(&ft_names_sites, table != NULL);
    const struct ft_golib *go = ft_golib();
    if (go != NULL) {
        go->ft_profile(table != NULL);
    }
}

int
ft_record_start(uint64_t rate, int64_t minimum, uint32_t room)
{
    static uint64_t sessions; /* under the registry's lock */
    struct ft_table *table = ft_table_new(room);
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    table->rate = rate;
    table->minimum = minimum;
    table->interpreter = PyInterpreterState_Get();
    ft_golib_load();
    ft_registry_lock();
    bool busy = atomic_load(&ft_recording) != NULL;
    if (!busy) {
        table->session = ++sessions;
        set_table(table);
    }
    ft_registry_unlock();
    if (busy) {
        ft_table_free(table);
        PyErr_SetString(PyExc_RuntimeError, "contention is being recorded already: stop that first");
        return -1;
    }
    return 0;
}

/* Under the registry's lock. A wait that goes on has lasted until now. */
static void
end_waits(struct ft_table *table, struct ft_thread *t, int64_t now)
{
    enter(t);
    for (struct ft_record *r = t->recorded; r != NULL; r = r->below) {
        if (r->entry != NULL && now - r->since >= table->minimum) {
            ft_entry_add(r->entry, now - r->since);
        }
        r->entry = NULL;
    }
    leave(t);
}

/* Takes the table away from everybody. NULL when this interpreter does not record. */
static struct ft_table *
take_table(bool *others)
{
    ft_registry_lock();
    struct ft_table *table = atomic_load(&ft_recording);
    *others = table != NULL && table->interpreter != PyInterpreterState_Get();
    if (*others) {
        table = NULL;
    }
    if (table != NULL) {
        set_table(NULL);
        int64_t now = ft_os_now();
        for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
            end_waits(table, t, now);
        }
    }
    ft_registry_unlock();
    return table;
}

PyObject *
ft_record_stop(void)
{
    bool others;
    struct ft_table *table = take_table(&others);
    if (table == NULL) {
        PyErr_SetString(PyExc_RuntimeError, others ? "another interpreter of this process records contention"
                                                   : "contention is not being recorded: start that first");
        return NULL;
    }
    PyObject *report = ft_table_report(table);
    ft_table_free(table);
    return report;
}

void
ft_record_drop(void)
{
    bool others;
    struct ft_table *table = take_table(&others);
    if (table != NULL) {
        ft_table_free(table);
    }
}

void
ft_record_after_fork(void)
{
    atomic_store(&ft_recording, NULL);
    atomic_store(&ft_names_sites, false);
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        atomic_store(&t->records, 0); /* of a task of another thread in whatever state it was */
        for (struct ft_record *r = t->recorded; r != NULL; r = r->below) {
            r->entry = NULL;
        }
        if (t->task != NULL) {
            t->recorded = NULL; /* it waits no more */
        }
    }
}

void
ft_record_thread_exit(struct ft_thread *thread)
{
    enter(thread);
    thread->recorded = NULL; /* they lay on the stack that goes */
    leave(thread);
}
