#include "objects/lockobj.h"

#include "core/record.h"
#include "objects/types.h"

void
ft_object_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    ft_record_gone((const char *)self + FT_WORD_OFFSET);
    if (((struct ft_object_head *)self)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject *
ft_refuse_pickle(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyErr_Format(PyExc_TypeError,
                        "cannot pickle or copy '%s' object: a lock belongs to its process "
                        "and its place; share the object itself",
                        Py_TYPE(self)->tp_name);
}

PyObject *
ft_repr_owner(uint64_t word)
{
    unsigned long ident = ft_ident_of(word >> FT_OWNER_SHIFT);
    if (ident == 0) {
        return PyUnicode_FromString("ended");
    }
    return PyUnicode_FromFormat("%lu", ident);
}

PyObject *
ft_repr_state(PyObject *op, long long waiting, PyObject *state)
{
    PyObject *name = state == NULL ? NULL : ft_qualified_name(op);
    PyObject *text = NULL;
    if (name != NULL && waiting == 0) {
        text = PyUnicode_FromFormat("<%U at %p: %U>", name, op, state);
    }
    else if (name != NULL) {
        text = PyUnicode_FromFormat("<%U at %p waiters=%lld: %U>", name, op, waiting, state);
    }
    Py_XDECREF(name);
    Py_XDECREF(state);
    return text;
}
