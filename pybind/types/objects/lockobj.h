/* What the Python types of the locks have in common. */
#ifndef FT_LOCKOBJ_H
#define FT_LOCKOBJ_H

#include "core/wait.h"

/* Every lock object begins like this, so that the address of the word, which is what the
 * Go side knows a lock by, tells the object (snapshot). */
struct ft_object_head {
    PyObject_HEAD
    PyObject *weakrefs;
};

_Static_assert(sizeof(struct ft_object_head) == FT_WORD_OFFSET, "core/wait.h counts on it");

/* Frees the object; the type-specific part is done. */
void ft_object_dealloc(PyObject *self);

/* METH_NOARGS: refuses pickling and copying with TypeError. */
PyObject *ft_refuse_pickle(PyObject *self, PyObject *unused);
#define FT_REFUSE_PICKLE_METHOD                                     \
    {"__reduce__", ft_refuse_pickle, METH_NOARGS,                   \
     PyDoc_STR("__reduce__($self, /)\n--\n\n"                       \
               "Raise TypeError: a lock cannot be pickled or copied.")}

/* Class methods for generic aliases are not offered: a lock holds nothing. */

/* " owner=…" for a repr: the ident of the owner's thread, or "ended". */
PyObject *ft_repr_owner(uint64_t word);

/* What those of threading's classes say that print "<module.Name at 0x…: state>", with the
 * number of waiters before the colon when there are any. It takes the reference to state,
 * which may be NULL with an exception set: then so is the result. */
PyObject *ft_repr_state(PyObject *op, long long waiting, PyObject *state);

#endif
