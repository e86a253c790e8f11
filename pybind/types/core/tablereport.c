/* What a recording has found, as Python objects. The table is the caller's alone. */
#include "core/table.h"

typedef PyObject *object_of(const struct ft_item *item);
typedef uint32_t number_of(const struct ft_item *item);

/* Tuples: CPython 3.13t frees what it should not when there is no memory for the items of a new
 * list. */

/* What a map holds, in the order of its numbers. */
static PyObject *
all_of(const struct ft_map *map, number_of *number, object_of *object)
{
    PyObject *all = PyTuple_New(map->n);
    for (uint64_t i = 0; all != NULL && i <= map->mask; i++) {
        for (const struct ft_item *item = map->slots[i]; all != NULL && item != NULL; item = item->before) {
            PyObject *o = object(item);
            if (o == NULL) {
                Py_CLEAR(all);
            }
            else {
                PyTuple_SET_ITEM(all, number(item), o);
            }
        }
    }
    return all;
}

/* A copy may end in the middle of a character. */
static PyObject *
text_of(const char *utf8)
{
    return PyUnicode_DecodeUTF8(utf8, (Py_ssize_t)strlen(utf8), "ignore");
}

static uint32_t
lock_number(const struct ft_item *item)
{
    return ((const struct ft_known_lock *)item)->number;
}

static PyObject *
lock_object(const struct ft_item *item)
{
    const struct ft_known_lock *lock = (const struct ft_known_lock *)item;
    PyObject *kind = text_of(lock->kind), *name = kind == NULL ? NULL : text_of(lock->name);
    if (name == NULL) {
        Py_XDECREF(kind);
        return NULL;
    }
    return Py_BuildValue("(NNNO)", PyLong_FromVoidPtr((void *)lock->word), kind, name,
                         lock->named ? Py_True : Py_False);
}

static uint32_t
thread_number(const struct ft_item *item)
{
    return ((const struct ft_known_thread *)item)->number;
}

static PyObject *
thread_object(const struct ft_item *item)
{
    const struct ft_known_thread *thread = (const struct ft_known_thread *)item;
    PyObject *name = text_of(thread->name);
    return name == NULL ? NULL : Py_BuildValue("(kiN)", thread->ident, thread->native, name);
}

static uint32_t
stack_number(const struct ft_item *item)
{
    return ((const struct ft_stack *)item)->number;
}

static PyObject *
stack_object(const struct ft_item *item)
{
    const struct ft_stack *stack = (const struct ft_stack *)item;
    PyObject *lines = PyTuple_New(stack->n);
    for (uint32_t i = 0; lines != NULL && i < stack->n; i++) {
        const struct ft_frame *frame = &stack->frames[i];
        int line = PyCode_Addr2Line((PyCodeObject *)frame->code, (int)frame->offset);
        PyObject *pair = Py_BuildValue("(Oi)", frame->code, line);
        if (pair == NULL) {
            Py_CLEAR(lines);
        }
        else {
            PyTuple_SET_ITEM(lines, i, pair);
        }
    }
    return lines;
}

static PyObject *
histogram(const struct ft_entry *entry)
{
    int n = FT_LENGTHS;
    while (n > 0 && entry->lengths[n - 1] == 0) {
        n--;
    }
    PyObject *lengths = PyTuple_New(n);
    for (int i = 0; lengths != NULL && i < n; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(entry->lengths[i]);
        if (count == NULL) {
            Py_CLEAR(lengths);
        }
        else {
            PyTuple_SET_ITEM(lengths, i, count);
        }
    }
    return lengths;
}

static PyObject *
sample(const struct ft_entry *entry)
{
    static const char *const sides[] = {"exclusive", "read", "write", "wait"};
    const struct ft_key *key = &entry->key;
    PyObject *lengths = histogram(entry);
    return lengths == NULL ? NULL
                           : Py_BuildValue("(OsIIiKKN)", key->holder ? Py_True : Py_False, sides[key->side],
                                           key->lock->number, key->thread->number,
                                           key->stack == NULL ? -1 : (int)key->stack->number,
                                           (unsigned long long)entry->ns, (unsigned long long)entry->longest, lengths);
}

/* Entries that count nothing were made for waits shorter than the minimum. */
static PyObject *
samples_of(const struct ft_map *map, uint64_t *without_stack)
{
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list != NULL && i <= map->mask; i++) {
        const struct ft_entry *entry = (const struct ft_entry *)map->slots[i];
        uint64_t count = entry == NULL ? 0 : ft_entry_count(entry);
        if (count == 0) {
            continue;
        }
        if (entry->key.stack == NULL && !entry->key.holder) {
            *without_stack += count;
        }
        PyObject *made = sample(entry);
        if (made == NULL || PyList_Append(list, made) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(made);
    }
    return list;
}

PyObject *
ft_table_report(struct ft_table *table)
{
    uint64_t without_stack = 0;
    PyObject *locks = all_of(&table->locks, lock_number, lock_object);
    PyObject *threads = locks == NULL ? NULL : all_of(&table->threads, thread_number, thread_object);
    PyObject *stacks = threads == NULL ? NULL : all_of(&table->stacks, stack_number, stack_object);
    PyObject *samples = stacks == NULL ? NULL : samples_of(&table->entries, &without_stack);
    PyObject *report = samples == NULL
                           ? NULL
                           : Py_BuildValue("(OOOO(KK))", locks, threads, stacks, samples,
                                           (unsigned long long)without_stack,
                                           (unsigned long long)ft_entry_count(&table->lost));
    Py_XDECREF(locks);
    Py_XDECREF(threads);
    Py_XDECREF(stacks);
    Py_XDECREF(samples);
    return report;
}
