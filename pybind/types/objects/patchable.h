/* Semaphore, BoundedSemaphore, Event, Condition and Barrier are written in Python in
 * threading, and programs count on it: they set attributes of an instance, and replace
 * methods in an instance, in a subclass or in the class itself. So ours have a __dict__,
 * their classes are mutable, and where one method of threading's calls another, the
 * replaced one is called here too. */
#ifndef FT_PATCHABLE_H
#define FT_PATCHABLE_H

#include "objects/lockobj.h"

#define FT_PATCHABLE_TYPE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC)

/* The members of a type whose struct has a `dict`, and its __dict__ in the PyGetSetDef. */
#define FT_PATCHABLE_MEMBERS(type)                                                                           \
    {                                                                                                        \
        {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(struct ft_object_head, weakrefs), Py_READONLY, NULL}, \
        {"__dictoffset__", Py_T_PYSSIZET, offsetof(type, dict), Py_READONLY, NULL},                          \
        {0},                                                                                                 \
    }
#define FT_DICT_GETSET \
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, PyDoc_STR("The attributes set here."), NULL}

/* The slots of such a type, besides those of every type. */
#define FT_PATCHABLE_TYPE_SLOTS(traverse, clear, getset, members) \
    {Py_tp_traverse, traverse}, {Py_tp_clear, clear}, {Py_tp_getset, getset}, { Py_tp_members, members }

/* Whether one of the five classes has been changed in this process. It never goes back: all
 * that it costs is a look at what is called. Any thread may read or set it. */
extern _Atomic(bool) ft_classes_changed;

/* Has ft_classes_changed set when the class is changed. For each class, once it is made. */
void ft_watch_class(PyObject *module, PyTypeObject *type);
void ft_unwatch_classes(PyObject *module);

/* Whether all methods of op are ours. dealloc is that of its C type: classes made in Python
 * have another one. */
static inline bool
ft_unpatched(PyObject *op, destructor dealloc, PyObject *const *dict)
{
    return Py_TYPE(op)->tp_dealloc == dealloc && __atomic_load_n(dict, __ATOMIC_RELAXED) == NULL
           && !atomic_load_explicit(&ft_classes_changed, memory_order_relaxed);
}

/* Looks a method up: 1 when it is `own`, a C function of ours; 0 and a new reference in
 * *method when it is another; -1 with an exception set. */
int ft_own_method(PyObject *op, const char *name, PyCFunction own, PyObject **method);

/* Begins the dealloc of an object: nothing finds it any more, its dict is let go. */
void ft_patchable_abandon(PyObject *op, PyObject **dict);

#endif
