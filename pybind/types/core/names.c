#include "core/names.h"

#include "platform/frames.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Atomic(bool) ft_names_sites;
_Atomic(size_t) ft_names_known; /* changed under the mutex */

struct ft_name {
    size_t size;
    char text[]; /* UTF-8, lone surrogates as three bytes; any byte may be 0 */
};

struct ft_known {
    struct ft_known *next; /* in its chain */
    const void *word;
    struct ft_name *name; /* or NULL */
    char *made;           /* the line that made the lock, or NULL */
    const char *what;     /* the last wait was for; constant text, or NULL */
    uint64_t waits, ticks;
};

/* ---- the table: all under the mutex ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Chains of entries, a power of two. It grows, and never shrinks: its size is what the most
 * entries needed that there were. */
#define FIRST_CHAINS 64
#define ENTRIES_PER_CHAIN 2
#define GROWTH 4

static struct ft_known *first[FIRST_CHAINS], **chains = first;
static size_t n_chains = FIRST_CHAINS;

/* How many entries have words of that hash. It is written under the mutex and read without:
 * most locks that end have no entry, and need not wait for the mutex to know it. As for
 * ft_names_known, relaxed is enough. 4 KiB, for a table that has some hundred names. */
#define FILTER_BITS 10
static _Atomic(uint32_t) filter[1 << FILTER_BITS];

/* By the golden ratio, of which the upper bits are the good ones. Objects lie 16 bytes apart. */
static inline uint64_t
hash(const void *word)
{
    return ((uint64_t)(uintptr_t)word >> 4) * 0x9E3779B97F4A7C15U;
}

static inline _Atomic(uint32_t) *
filter_of(const void *word)
{
    return &filter[hash(word) >> (64 - FILTER_BITS)];
}

static inline struct ft_known **
chain_of(const void *word)
{
    return &chains[(hash(word) >> 32) & (n_chains - 1)];
}

/* Where the entry of the word is linked, or where the chain ends. */
static struct ft_known **
find(const void *word)
{
    struct ft_known **at = chain_of(word);
    while (*at != NULL && (*at)->word != word) {
        at = &(*at)->next;
    }
    return at;
}

/* Without memory the chains just become longer. */
static void
grow(void)
{
    size_t n = n_chains * GROWTH, before = n_chains;
    struct ft_known **more = calloc(n, sizeof *more), **old = chains;
    if (more == NULL) {
        return;
    }
    chains = more;
    n_chains = n;
    for (size_t i = 0; i < before; i++) {
        for (struct ft_known *k = old[i], *next; k != NULL; k = next) {
            next = k->next;
            struct ft_known **at = chain_of(k->word);
            k->next = *at;
            *at = k;
        }
    }
    if (old != first) {
        free(old);
    }
}

static void
link_entry(struct ft_known *entry, const void *word)
{
    size_t known = atomic_fetch_add_explicit(&ft_names_known, 1, memory_order_relaxed) + 1;
    atomic_fetch_add_explicit(filter_of(word), 1, memory_order_relaxed);
    if (known > n_chains * ENTRIES_PER_CHAIN) {
        grow();
    }
    struct ft_known **at = chain_of(word);
    entry->word = word;
    entry->next = *at;
    *at = entry;
}

/* The entry, which is the caller's then; NULL when there is none. */
static struct ft_known *
unlink_entry(const void *word)
{
    struct ft_known **at = find(word), *entry = *at;
    if (entry != NULL) {
        *at = entry->next;
        atomic_fetch_sub_explicit(filter_of(word), 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&ft_names_known, 1, memory_order_relaxed);
    }
    return entry;
}

/* Whether there may be an entry, without the mutex, for a thread that has a reference to the
 * lock, or the last one. */
static inline bool
maybe_known(const void *word)
{
    return atomic_load_explicit(&ft_names_known, memory_order_relaxed) != 0
           && atomic_load_explicit(filter_of(word), memory_order_relaxed) != 0;
}

static void
free_entry(struct ft_known *entry)
{
    if (entry != NULL) {
        free(entry->name);
        free(entry->made);
        free(entry);
    }
}

/* ---- names on their way ---- */

/* NULL when there is no memory. */
static struct ft_known *
named_entry(const char *text, size_t size)
{
    struct ft_known *entry = calloc(1, sizeof *entry);
    struct ft_name *name = entry == NULL ? NULL : calloc(1, sizeof *name + size);
    if (name == NULL) {
        free(entry);
        return NULL;
    }
    name->size = size;
    memcpy(name->text, text, size);
    entry->name = name;
    return entry;
}

int
ft_name_make(PyObject *given, struct ft_known **made)
{
    *made = NULL;
    if (given == NULL || given == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(given)) {
        PyErr_Format(PyExc_TypeError, "name must be a str or None, not %T", given);
        return -1;
    }
    /* surrogatepass: whatever is a str can be encoded like this. */
    PyObject *bytes = PyUnicode_AsEncodedString(given, "utf-8", "surrogatepass");
    if (bytes != NULL) {
        *made = named_entry(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
        Py_DECREF(bytes);
        if (*made == NULL) {
            PyErr_NoMemory();
        }
    }
    return *made == NULL ? -1 : 0;
}

bool
ft_name_copy(const struct ft_known *name, struct ft_known **made)
{
    *made = NULL;
    if (name == NULL || name->name == NULL) {
        return true;
    }
    *made = named_entry(name->name->text, name->name->size);
    return *made != NULL;
}

bool
ft_names_copy(const void *word, struct ft_known **made)
{
    *made = NULL;
    if (!maybe_known(word)) {
        return true;
    }
    pthread_mutex_lock(&mutex);
    bool copied = ft_name_copy(*find(word), made);
    pthread_mutex_unlock(&mutex);
    return copied;
}

void
ft_name_drop(struct ft_known *made)
{
    free_entry(made);
}

/* ---- keeping them ---- */

/* Under the mutex. Puts what is fresh into the entry, and what was there into fresh. A lock
 * that is initialized again keeps the line that made it, if no other is noted, and its counts. */
static void
exchange(struct ft_known *entry, struct ft_known *fresh)
{
    struct ft_name *name = entry->name;
    entry->name = fresh->name;
    fresh->name = name;
    if (fresh->made != NULL) {
        char *made = entry->made;
        entry->made = fresh->made;
        fresh->made = made;
    }
}

static inline bool
tells_nothing(const struct ft_known *entry)
{
    return entry->name == NULL && entry->made == NULL && entry->waits == 0;
}

void
ft_names_keep(const void *word, struct ft_known *made)
{
    struct ft_known nothing = {0}, *unused = made, *ended = NULL;
    if (made == NULL && !maybe_known(word)) {
        return;
    }
    pthread_mutex_lock(&mutex);
    struct ft_known *entry = *find(word);
    if (entry != NULL) {
        exchange(entry, made != NULL ? made : &nothing);
        ended = tells_nothing(entry) ? unlink_entry(word) : NULL;
    }
    else if (made != NULL) {
        link_entry(made, word);
        unused = NULL;
    }
    pthread_mutex_unlock(&mutex);
    free_entry(unused);
    free_entry(ended);
    free(nothing.name);
}

/* The line that runs, malloc'ed; NULL when there is none, or no memory for it. */
static char *
line_here(void)
{
    struct ft_frame frame;
    if (ft_frames(&frame, 1) == 0) {
        return NULL;
    }
    PyCodeObject *code = (PyCodeObject *)frame.code;
    PyObject *raised = PyErr_GetRaisedException();
    const char *file = PyUnicode_AsUTF8(code->co_filename);
    const char *function = file == NULL ? NULL : PyUnicode_AsUTF8(code->co_qualname);
    char *line = NULL;
    if (function != NULL) {
        int number = PyCode_Addr2Line(code, (int)frame.offset);
        size_t size = strlen(file) + strlen(function) + sizeof ":-2147483648 in ";
        line = malloc(size);
        if (line != NULL) {
            snprintf(line, size, "%s:%d in %s", file, number, function);
        }
    }
    PyErr_SetRaisedException(raised);
    return line;
}

struct ft_known *
ft_name_with_line(struct ft_known *made)
{
    if (FT_UNLIKELY(atomic_load_explicit(&ft_names_sites, memory_order_relaxed))) {
        char *line = line_here();
        if (line != NULL && made == NULL) {
            made = calloc(1, sizeof *made);
        }
        if (made != NULL) {
            made->made = line;
        }
        else {
            free(line);
        }
    }
    return made;
}

void
ft_names_begin(const void *word, struct ft_known *made)
{
    ft_names_keep(word, ft_name_with_line(made));
}

/* ---- looking ---- */

/* Under the mutex. */
static struct ft_name *
name_of(const void *word)
{
    struct ft_known *entry = *find(word);
    return entry == NULL ? NULL : entry->name;
}

PyObject *
ft_names_get(const void *word)
{
    if (!maybe_known(word)) {
        Py_RETURN_NONE;
    }
    char *copy = NULL;
    size_t size = 0;
    pthread_mutex_lock(&mutex);
    struct ft_name *name = name_of(word);
    if (name != NULL) {
        size = name->size;
        copy = calloc(1, size + 1); /* NULL means that there is no memory */
        if (copy != NULL) {
            memcpy(copy, name->text, size);
        }
    }
    pthread_mutex_unlock(&mutex);
    if (name == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *text =
        copy == NULL ? PyErr_NoMemory() : PyUnicode_DecodeUTF8(copy, (Py_ssize_t)size, "surrogatepass");
    free(copy);
    return text;
}

/* Bytes that go on a character of UTF-8. */
static inline bool
goes_on(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* What would break a line, end a C string, or is no UTF-8: lone surrogates. */
static inline bool
unprintable(const char *c, size_t left)
{
    unsigned char first = (unsigned char)c[0];
    return first < ' ' || first == 0x7f || (first == 0xed && left > 1 && (unsigned char)c[1] >= 0xa0);
}

static void
show(char *shown, size_t room, const char *text, size_t size)
{
    if (size >= room) {
        for (size = room - 1; size > 0 && goes_on(text[size]); size--) {
        }
    }
    for (size_t i = 0; i < size; i++) {
        if (!unprintable(text + i, size - i)) {
            *shown++ = text[i];
            continue;
        }
        *shown++ = '?';
        while (i + 1 < size && goes_on(text[i + 1])) {
            i++;
        }
    }
    *shown = '\0';
}

bool
ft_names_of(const void *word, char shown[FT_NAME_SHOWN])
{
    shown[0] = '\0';
    pthread_mutex_lock(&mutex);
    struct ft_name *name = name_of(word);
    if (name != NULL) {
        show(shown, FT_NAME_SHOWN, name->text, name->size);
    }
    pthread_mutex_unlock(&mutex);
    return name != NULL;
}

bool
ft_names_made(const void *word, char shown[FT_MADE_SHOWN])
{
    shown[0] = '\0';
    pthread_mutex_lock(&mutex);
    struct ft_known *entry = *find(word);
    bool known = entry != NULL && entry->made != NULL;
    if (known) {
        /* Of one that is too long the end says more. */
        const char *text = entry->made;
        size_t size = strlen(text);
        if (size >= FT_MADE_SHOWN) {
            for (text += size - FT_MADE_SHOWN + 1; goes_on(*text); text++) {
            }
        }
        show(shown, FT_MADE_SHOWN, text, strlen(text));
    }
    pthread_mutex_unlock(&mutex);
    return known;
}

/* ---- counts ---- */

void
ft_names_waited(const void *word, const char *what, uint64_t ticks)
{
    pthread_mutex_lock(&mutex);
    struct ft_known *entry = *find(word);
    if (entry == NULL && (entry = malloc(sizeof *entry)) != NULL) {
        *entry = (struct ft_known){0};
        link_entry(entry, word);
    }
    if (entry != NULL) {
        entry->what = what;
        entry->waits++;
        entry->ticks += ticks;
    }
    pthread_mutex_unlock(&mutex);
}

struct ft_counted *
ft_names_counted(size_t *n)
{
    *n = 0;
    pthread_mutex_lock(&mutex);
    struct ft_counted *list = malloc((atomic_load(&ft_names_known) + 1) * sizeof *list);
    for (size_t i = 0; list != NULL && i < n_chains; i++) {
        for (const struct ft_known *k = chains[i]; k != NULL; k = k->next) {
            if (k->waits == 0) {
                continue;
            }
            struct ft_counted *c = &list[(*n)++];
            *c = (struct ft_counted){
                .word = k->word,
                .what = k->what,
                .named = k->name != NULL,
                .waits = k->waits,
                .ticks = k->ticks,
            };
            if (c->named) {
                show(c->name, FT_NAME_SHOWN, k->name->text, k->name->size);
            }
        }
    }
    pthread_mutex_unlock(&mutex);
    return list;
}

/* ---- the end of a lock ---- */

void
ft_names_end_slow(const void *word)
{
    if (!maybe_known(word)) {
        return;
    }
    pthread_mutex_lock(&mutex);
    struct ft_known *entry = unlink_entry(word);
    pthread_mutex_unlock(&mutex);
    free_entry(entry);
}

/* ---- fork ---- */

void
ft_names_before_fork(void)
{
    pthread_mutex_lock(&mutex);
}

void
ft_names_after_fork_in_parent(void)
{
    pthread_mutex_unlock(&mutex);
}

void
ft_names_after_fork_in_child(void)
{
    pthread_mutex_init(&mutex, NULL);
    for (size_t i = 0; i < n_chains; i++) {
        for (struct ft_known *k = chains[i]; k != NULL; k = k->next) {
            k->waits = k->ticks = 0;
        }
    }
}
