#define _GNU_SOURCE /* open_memstream */
#include "core/dump.h"

#include "platform/frames.h"
#include "platform/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- stacks ---- */

/* A string of Python's, without Python: what is not ASCII as an escape. */
static void
put_string(FILE *out, PyObject *text)
{
    if (!PyUnicode_Check(text)) {
        fputs("?", out);
        return;
    }
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(text); i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c >= ' ' && c < 0x7f) {
            fputc((int)c, out);
        }
        else {
            fprintf(out, "\\u%04x", (unsigned)c);
        }
    }
}

/* As faulthandler prints them, the innermost first. */
static void
put_frames(FILE *out, const struct ft_frame *frames, int n)
{
    for (int i = 0; i < n; i++) {
        PyCodeObject *code = (PyCodeObject *)frames[i].code;
        fputs("    File \"", out);
        put_string(out, code->co_filename);
        fprintf(out, "\", line %d in ", PyCode_Addr2Line(code, (int)frames[i].offset));
        put_string(out, code->co_qualname);
        fputc('\n', out);
    }
}

/* Under the registry's lock. NULL when there is no memory. */
static char *
stack_of(struct ft_seat *seat, bool wanted)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    int parked = FT_PARKED;
    if (wanted && atomic_compare_exchange_strong(&seat->parked, &parked, FT_READ)) {
        struct ft_frame frames[FT_DUMP_FRAMES];
        put_frames(out, frames, ft_frames_of(seat->frames, frames, FT_DUMP_FRAMES));
        atomic_store(&seat->parked, FT_PARKED);
    }
    return fclose(out) == 0 ? text : (free(text), NULL);
}

/* ---- taking: in an inspection ---- */

/* What a seat waits for: one that a notification has moved waits for the lock. Without Go nobody
 * is moved, and the key may be an old one. */
static const struct ft_wait_ops *
waits_for(const struct ft_seat *seat, void **lock)
{
    *lock = (void *)(uintptr_t)atomic_load(&seat->waiting_for);
    if (*lock == NULL) {
        return NULL;
    }
    void *key = (void *)atomic_load(&seat->waiter.key);
    if (seat->waiting_ops->moves_to != NULL && key != *lock && ft_golib() != NULL) {
        *lock = key;
        return seat->waiting_ops->moves_to;
    }
    return seat->waiting_ops;
}

static bool
add_waiter(struct ft_dump *dump, struct ft_thread *t, struct ft_seat *seat, void *lock,
           const struct ft_wait_ops *ops, bool stacks)
{
    struct ft_dumped *grown = realloc(dump->waiters, (dump->n + 1) * sizeof *grown);
    char *stack = grown == NULL ? NULL : stack_of(seat, stacks);
    dump->waiters = grown == NULL ? dump->waiters : grown;
    if (stack == NULL) {
        return false;
    }
    struct ft_dumped *w = &dump->waiters[dump->n++];
    *w = (struct ft_dumped){
        .ident = t->ident,
        .native = t->native,
        .lock = lock,
        .what = ops->what,
        .waited = ft_os_about_now() - seat->since,
        .ticket = __atomic_load_n(&seat->waiter.ticket, __ATOMIC_RELAXED),
        .stack = stack,
    };
    w->named = ft_names_of(lock, w->name);
    return true;
}

static bool
add_holder(struct ft_dump *dump, const void *lock, unsigned long ident, bool waits, bool alone)
{
    struct ft_dumped_holder *grown = realloc(dump->holders, (dump->n_holders + 1) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    dump->holders = grown;
    dump->holders[dump->n_holders++] = (struct ft_dumped_holder){lock, ident, waits, alone};
    return true;
}

static bool
holders_known(const struct ft_dump *dump, const void *lock)
{
    for (size_t i = 0; i < dump->n_holders; i++) {
        if (dump->holders[i].lock == lock) {
            return true;
        }
    }
    return false;
}

static bool
add_holders(struct ft_dump *dump, void *lock, const struct ft_wait_ops *ops)
{
    if (ops->holds == NULL || holders_known(dump, lock)) {
        return true;
    }
    bool found = false, alone = ops->taken(lock);
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        if (ops->holds(lock, t)) {
            found = true;
            bool waits = atomic_load(&t->seat->waiting_for) != NULL;
            if (!add_holder(dump, lock, t->ended ? 0 : t->ident, waits, alone)) {
                return false;
            }
        }
    }
    return found || !ops->taken(lock) || add_holder(dump, lock, 0, false, true);
}

static int
by_lock_and_arrival(const void *a, const void *b)
{
    const struct ft_dumped *x = a, *y = b;
    if (x->lock != y->lock) {
        return x->lock < y->lock ? -1 : 1;
    }
    return x->ticket < y->ticket ? -1 : x->ticket > y->ticket;
}

bool
ft_dump_take(struct ft_dump *dump, bool stacks)
{
    bool complete = true;
    memset(dump, 0, sizeof *dump);
    ft_inspect_begin();
    for (struct ft_thread *t = ft_registry_first(); t != NULL && complete; t = t->next) {
        for (struct ft_seat *seat = t->seat; seat != NULL && complete; seat = seat->below) {
            void *lock;
            const struct ft_wait_ops *ops = waits_for(seat, &lock);
            complete = ops == NULL || (add_waiter(dump, t, seat, lock, ops, stacks) && add_holders(dump, lock, ops));
        }
    }
    ft_inspect_end();
    if (!complete) {
        ft_dump_free(dump);
        return false;
    }
    if (dump->n > 0) {
        qsort(dump->waiters, dump->n, sizeof *dump->waiters, by_lock_and_arrival);
    }
    return true;
}

void
ft_dump_free(struct ft_dump *dump)
{
    for (size_t i = 0; i < dump->n; i++) {
        free(dump->waiters[i].stack);
    }
    free(dump->waiters);
    free(dump->holders);
    memset(dump, 0, sizeof *dump);
}

/* ---- text ---- */

static void
put_holders(FILE *out, const struct ft_dump *dump, const void *lock)
{
    int n = 0;
    for (size_t i = 0; i < dump->n_holders; i++) {
        const struct ft_dumped_holder *h = &dump->holders[i];
        if (h->lock != lock) {
            continue;
        }
        fputs(n++ == 0 ? ", held by " : ", ", out);
        if (h->ident == 0) {
            fputs("a thread that has ended", out);
        }
        else {
            fprintf(out, "thread 0x%lx (%s)", h->ident, h->waits ? "waiting, see there" : "running");
        }
    }
    fputs(":\n", out);
}

char *
ft_dump_text(const struct ft_dump *dump)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    if (dump->n == 0) {
        fputs("ft_utils: no thread waits for a lock\n", out);
    }
    for (size_t i = 0; i < dump->n; i++) {
        const struct ft_dumped *w = &dump->waiters[i];
        if (i == 0 || w->lock != dump->waiters[i - 1].lock) {
            /* The name without the side, which is each waiter's own. */
            fprintf(out, "%.*s", (int)strcspn(w->what, " "), w->what);
            if (w->named) {
                fprintf(out, " '%s'", w->name);
            }
            fprintf(out, " at %p", (const void *)((const char *)w->lock - FT_WORD_OFFSET));
            put_holders(out, dump, w->lock);
        }
        const char *side = strchr(w->what, '(');
        fprintf(out, "  thread 0x%lx (native %d) has waited %.1f s%s%s\n%s", w->ident, w->native,
                (double)w->waited / 1e9, side == NULL ? "" : " ", side == NULL ? "" : side, w->stack);
    }
    return fclose(out) == 0 ? text : (free(text), NULL);
}
