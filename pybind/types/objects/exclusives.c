#include "objects/exclusives.h"

PyObject *
ft_exclusive_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        ft_word_of(op)->interval = FT_DEFAULT_INTERVAL;
    }
    return op;
}

PyObject *
ft_exclusive_locked_method(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_bool(ft_exclusive_locked(ft_word_of(op)));
}

PyObject *
ft_exclusive_is_owned_method(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct ft_thread *self = ft_self();
    return self == NULL ? NULL : ft_bool(ft_exclusive_owned(ft_word_of(op), self));
}

PyObject *
ft_exclusive_reinit_method(PyObject *op, PyObject *Py_UNUSED(unused))
{
    atomic_store(&ft_word_of(op)->word, 0);
    Py_RETURN_NONE;
}
