#include "core/deadlock.h"

#include "core/names.h"
#include "core/task.h"
#include "core/wait.h"
#include "platform/os.h"

#include <stdlib.h>
#include <string.h>

/* A tenth of a second: longer than locks are held on purpose, shorter than anybody looks for
 * the reason of a standstill. */
_Atomic(int64_t) ft_deadlock_after = (int64_t)100 * 1000 * 1000;
_Atomic(int) ft_deadlock_action = FT_DEADLOCK_RAISE;

#define LONGEST_WHERE 512

/* ---- lines ---- */

/* Notes the line that this thread runs, and when it began to wait, for whoever finds it in a
 * circle. */
static void
note_line(struct ft_thread *self, int64_t waited)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    PyCodeObject *code = frame == NULL ? NULL : PyFrame_GetCode(frame);
    const char *file = code == NULL ? NULL : PyUnicode_AsUTF8(code->co_filename);
    const char *function = file == NULL ? NULL : PyUnicode_AsUTF8(code->co_qualname);
    char *where = function == NULL ? NULL : malloc(LONGEST_WHERE);
    if (where != NULL) {
        snprintf(where, LONGEST_WHERE, "%s:%d in %s", file, PyFrame_GetLineNumber(frame), function);
    }
    ft_registry_lock();
    char *before = self->seat->where;
    if (before == NULL) {
        self->seat->stuck_since = ft_os_now() - waited;
    }
    self->seat->where = where;
    ft_registry_unlock();
    free(before);
    Py_XDECREF(code);
    Py_XDECREF(frame);
    PyErr_Clear(); /* a name that UTF-8 cannot write */
}

/* ---- edges: all in an inspection ---- */

/* What a thread waits for that it cannot stop waiting for by itself. */
struct edge {
    void *lock;
    const struct ft_wait_ops *ops;
    bool may_raise;
};

/* A thread that was notified sleeps on in the wait of its Condition, but in the queue of the
 * lock: it has to come back with that, whatever its time-out. */
static bool
edge_of(const struct ft_thread *t, struct edge *edge)
{
    const struct ft_seat *seat = t->seat;
    void *lock = (void *)(uintptr_t)atomic_load(&seat->waiting_for);
    if (lock == NULL || seat->doomed || ft_state(&seat->waiter) != FT_STATE_QUEUED) {
        return false;
    }
    *edge = (struct edge){lock, seat->waiting_ops, seat->may_raise};
    if (edge->ops->moves_to != NULL) {
        edge->lock = (void *)atomic_load(&seat->waiter.key);
        edge->ops = edge->ops->moves_to;
        edge->may_raise = false;
        return edge->lock != lock && edge->ops->blocked_by != NULL;
    }
    return seat->untimed && edge->ops->blocked_by != NULL;
}

static bool
stuck(const struct ft_thread *t)
{
    struct edge edge;
    return edge_of(t, &edge);
}

/* Whether this is a task of the event loop that the thread runs. */
static bool
runs_in(const struct ft_thread *task, const struct ft_thread *t)
{
    return task->task != NULL && t->task == NULL && !t->ended && task->ident == t->ident;
}

static bool
tasks_block(const struct ft_thread *t, const struct edge *edge)
{
    bool found = false;
    for (struct ft_thread *task = ft_registry_first(); task != NULL && !found; task = task->next) {
        found = runs_in(task, t) && edge->ops->blocked_by(edge->lock, task);
    }
    return found;
}

/* Whether a thread that is stuck waits for t, or a task of t's event loop, to let go of something. */
static bool
blocks(struct ft_thread *t, const struct ft_thread *waits)
{
    struct edge edge;
    return edge_of(waits, &edge)
           && (edge.ops->blocked_by(edge.lock, t) || (ft_tasks_exist() && tasks_block(t, &edge)));
}

static bool
may_raise(const struct ft_thread *t)
{
    struct edge edge;
    return edge_of(t, &edge) && edge.may_raise;
}

/* Goes on to a thread, if it is stuck. `walked` lists those that this has been done to: who blocks
 * a thread depends on the lock and on how it waits for it, so of many that wait for one lock one is
 * enough. What blocks it is told by what it waited for now, whatever becomes of its wait: the
 * others may be stuck still. */
static bool
walk_on(struct ft_thread *t, struct ft_thread *from, struct ft_thread **walked)
{
    struct edge edge;
    if (!edge_of(t, &edge)) {
        return false;
    }
    for (const struct ft_thread *w = *walked; w != NULL; w = w->walked) {
        if (w->walked_for == edge.lock && w->walked_how == edge.ops) {
            return false;
        }
    }
    t->walked_for = edge.lock;
    t->walked_how = edge.ops;
    t->walked = *walked;
    *walked = t;
    t->from = from;
    t->tried = NULL;
    return true;
}

/* Who has to go on before t lets go of anything: of a task that is the thread of its event loop,
 * as no task runs there while that waits. `last` is the answer of the call before. NULL: the
 * thread has touched no lock, or has ended. */
static struct ft_thread *
runner_of(struct ft_thread *t, struct ft_thread *last)
{
    if (t->task == NULL) {
        return t;
    }
    if (last != NULL && runs_in(t, last)) {
        return last;
    }
    struct ft_thread *runner = ft_registry_first();
    while (runner != NULL && !runs_in(t, runner)) {
        runner = runner->next;
    }
    return runner;
}

/* A walk in depth, from each thread to those that block it, to each once. The way from self to a
 * thread is in their `from`, the last that was tried from there in `tried`. The result is the last
 * thread of a circle, which self blocks; NULL when there is none. */
static struct ft_thread *
find_circle(struct ft_thread *self)
{
    static uint64_t walks; /* under the registry's lock */
    struct ft_thread *walked = NULL, *runner = NULL;
    struct ft_thread *at = walk_on(self, NULL, &walked) ? self : NULL;
    walks++;
    while (at != NULL) {
        struct ft_thread *t = at->tried == NULL ? ft_registry_first() : at->tried->next;
        if (t == NULL) {
            at = at->from; /* all have been tried from here */
            continue;
        }
        at->tried = t;
        if (t->walk == walks || !at->walked_how->blocked_by(at->walked_for, t)) {
            continue;
        }
        t->walk = walks;
        runner = runner_of(t, runner);
        if (runner == self) {
            return at;
        }
        if (runner == NULL || (runner != t && runner->walk == walks)) {
            continue;
        }
        runner->walk = walks;
        if (walk_on(runner, at, &walked)) {
            at = runner;
        }
    }
    return NULL;
}

/* Whether every edge of the way that ends with `last` is there still, in the same waits. */
static bool
confirmed(struct ft_thread *self, struct ft_thread *last)
{
    struct ft_thread *to = self;
    for (struct ft_thread *t = last; t != NULL; to = t, t = t->from) {
        if (atomic_load(&t->seat->waits) != t->seen_waits || !stuck(t) || !blocks(to, t)) {
            return false;
        }
    }
    return true;
}

static void
remember_waits(struct ft_thread *last)
{
    for (struct ft_thread *t = last; t != NULL; t = t->from) {
        t->seen_waits = atomic_load(&t->seat->waits);
    }
}

/* ---- the answer ---- */

/* One thread of a circle. */
struct member {
    unsigned long ident;
    const void *lock; /* the word that it waits for */
    const char *what;
    char name[FT_NAME_SHOWN]; /* of the lock */
    bool named;               /* whether it has one */
    int64_t waited;
    char *where;
};

struct circle {
    size_t n;
    struct member *members; /* the caller first, each waiting for the next */
};

enum found {
    NONE,
    TO_REPORT,
    TO_RAISE,
};

static bool
every(const struct ft_thread *last, bool (*holds)(const struct ft_thread *))
{
    for (const struct ft_thread *t = last; t != NULL; t = t->from) {
        if (!holds(t)) {
            return false;
        }
    }
    return true;
}

static bool
has_line(const struct ft_thread *t)
{
    return t->seat->where != NULL;
}

static bool
unreported(const struct ft_thread *t)
{
    return !t->seat->reported;
}

static bool
cannot_raise(const struct ft_thread *t)
{
    return !may_raise(t);
}

static void
free_circle(struct circle *circle)
{
    for (size_t i = 0; circle->members != NULL && i < circle->n; i++) {
        free(circle->members[i].where);
    }
    free(circle->members);
}

static bool
copy_members(struct ft_thread *last, struct circle *circle)
{
    for (struct ft_thread *t = last; t != NULL; t = t->from) {
        circle->n++;
    }
    size_t i = circle->n;
    circle->members = calloc(i, sizeof *circle->members);
    for (struct ft_thread *t = last; circle->members != NULL && t != NULL; t = t->from) {
        struct edge edge;
        if (edge_of(t, &edge)) {
            struct member *m = &circle->members[--i];
            *m = (struct member){
                .ident = t->ident,
                .lock = edge.lock,
                .what = edge.ops->what,
                .waited = ft_os_now() - t->seat->stuck_since,
                .where = strdup(t->seat->where),
            };
            m->named = ft_names_of(edge.lock, m->name);
        }
    }
    return circle->members != NULL && i == 0;
}

/* Who is told? The caller, if an exception may end its wait. If it may not, another will find
 * the circle and be told; if none may, it is reported, once. A circle whose lines are not all
 * known was closed a moment ago: the next look finds it. */
static enum found
judge(struct ft_thread *self, struct ft_thread *last, struct circle *circle)
{
    bool raises = atomic_load(&ft_deadlock_action) == FT_DEADLOCK_RAISE;
    if (!every(last, has_line)) {
        return NONE;
    }
    if (raises && may_raise(self)) {
        if (!copy_members(last, circle)) {
            return NONE;
        }
        self->seat->doomed = true;
        return TO_RAISE;
    }
    if ((raises && !every(last, cannot_raise)) || !every(last, unreported) || !copy_members(last, circle)) {
        return NONE;
    }
    for (struct ft_thread *t = last; t != NULL; t = t->from) {
        t->seat->reported = true;
    }
    return TO_REPORT;
}

static enum found
look(struct ft_thread *self, struct circle *circle)
{
    enum found found = NONE;
    ft_inspect_begin();
    struct ft_thread *last = find_circle(self);
    if (last != NULL) {
        remember_waits(last);
        if (confirmed(self, last) && confirmed(self, last)) {
            found = judge(self, last, circle);
        }
    }
    ft_inspect_end();
    return found;
}

/* ---- Python ---- */

/* A list of (ident, address of the word, what, seconds, where, name of the lock). */
static PyObject *
members_of(const struct circle *circle)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < circle->n; i++) {
        const struct member *m = &circle->members[i];
        PyObject *item = Py_BuildValue("(kKsdzz)", m->ident, (unsigned long long)(uintptr_t)m->lock, m->what,
                                       (double)m->waited / 1e9, m->where, m->named ? m->name : NULL);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *
call(const char *function, PyObject *members)
{
    PyObject *module = PyImport_ImportModule("ft_utils._deadlock");
    PyObject *result = module == NULL ? NULL : PyObject_CallMethod(module, function, "O", members);
    Py_XDECREF(module);
    return result;
}

/* ---- the report ---- */

static PyObject *
report(PyObject *Py_UNUSED(module), PyObject *members)
{
    return call("report", members);
}

static PyMethodDef report_method = {"report", report, METH_O, NULL};

/* Without the import statement, which a program may have replaced. */
static PyObject *
start_thread(PyObject *function, PyObject *argument)
{
    PyObject *name = PyUnicode_FromString("_thread");
    PyObject *module = name == NULL ? NULL : PyImport_GetModule(name);
    PyObject *started =
        module == NULL ? NULL : PyObject_CallMethod(module, "start_new_thread", "O(O)", function, argument);
    Py_XDECREF(module);
    Py_XDECREF(name);
    return started;
}

/* The report is written by a thread of its own. This one is queued, and perhaps in a wait that no
 * exception may end and no signal handler interrupt: whatever Python code did here to the lock, or
 * to another, it would do in the middle of that. The seat is fresh for audit hooks, which hear of
 * threads that start. False: there could be no thread just now. */
static bool
begin_report(struct ft_thread *self, PyObject *members)
{
    if (ft_seat_push(self) < 0) {
        return false;
    }
    PyObject *function = PyCFunction_New(&report_method, NULL);
    PyObject *started = function == NULL ? NULL : start_thread(function, members);
    Py_XDECREF(function);
    Py_XDECREF(started);
    ft_seat_pop(self);
    return started != NULL;
}

/* ---- the look ---- */

/* Nobody could be told: the next look finds the circle again. Which threads are in it is not known
 * any more; at worst another circle is reported twice. */
static void
forget_verdict(struct ft_thread *self)
{
    ft_registry_lock();
    self->seat->doomed = false;
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        t->seat->reported = false;
    }
    ft_registry_unlock();
}

static PyObject *
look_and_tell(struct ft_waiting *wait)
{
    struct circle circle = {0, NULL};
    note_line(wait->self, wait->stuck_after);
    enum found found = look(wait->self, &circle);
    PyObject *members = found == NONE ? NULL : members_of(&circle);
    free_circle(&circle);
    if (found != NONE && (members == NULL || (found == TO_REPORT && !begin_report(wait->self, members)))) {
        PyErr_Clear();
        forget_verdict(wait->self);
        found = NONE;
    }
    if (found != TO_RAISE) {
        Py_CLEAR(members);
    }
    return members;
}

/* A wait for a lock that has to be had back goes on with an exception on its way. */
PyObject *
ft_deadlock_look(struct ft_waiting *wait)
{
    if (atomic_load(&ft_deadlock_action) == FT_DEADLOCK_OFF) {
        return NULL;
    }
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *members = look_and_tell(wait);
    PyErr_SetRaisedException(raised);
    return members;
}

void
ft_deadlock_raise(PyObject *members)
{
    PyObject *error = call("error", members);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    Py_XDECREF(error);
}
