#include "objects/naming.h"

#include "objects/types.h"

#include <string.h>

int
ft_name_init(PyObject *op, PyObject *given)
{
    struct ft_known *made;
    if (ft_name_make(given, &made) < 0) {
        return -1;
    }
    ft_name_begin(op, given, made);
    return 0;
}

/* The table takes name and line together. So a line alone goes in with a copy of the name that is
 * there, in a critical section, since another thread may set the attribute at that moment. */
static FT_SLOW void
note_line_only(PyObject *op)
{
    const void *word = ft_word_address(op);
    struct ft_known *made;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (ft_names_copy(word, &made)) { /* without memory for it the name is worth more than the line */
        ft_names_begin(word, made);
    }
    Py_END_CRITICAL_SECTION();
}

void
ft_name_begin(PyObject *op, PyObject *given, struct ft_known *made)
{
    if (given != NULL) {
        ft_names_begin(ft_word_address(op), made);
    }
    else if (FT_UNLIKELY(atomic_load_explicit(&ft_names_sites, memory_order_relaxed))) {
        note_line_only(op);
    }
}

/* Most locks are made without any argument. */
int
ft_name_alone(PyObject *args, PyObject *kwargs, const char *format, PyObject **given)
{
    static char *names[] = {"name", NULL};
    *given = NULL;
    if (PyTuple_GET_SIZE(args) == 0 && (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0)) {
        return 0;
    }
    return PyArg_ParseTupleAndKeywords(args, kwargs, format, names, given) ? 0 : -1;
}

PyObject *
ft_name_get(PyObject *op, void *Py_UNUSED(closure))
{
    return ft_names_get(ft_word_address(op));
}

int
ft_name_set(PyObject *op, PyObject *given, void *Py_UNUSED(closure))
{
    struct ft_known *made;
    if (given == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete the name of a lock; set it to None");
        return -1;
    }
    if (ft_name_make(given, &made) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(op); /* see note_line_only */
    ft_names_keep(ft_word_address(op), made);
    Py_END_CRITICAL_SECTION();
    return 0;
}

PyGetSetDef ft_name_getset[] = {
    FT_NAME_GETSET,
    {0},
};

/* ---- for reports: functions of ft_utils._locks ---- */

static PyObject *
note_lines(PyObject *Py_UNUSED(m), PyObject *on)
{
    int truth = PyObject_IsTrue(on);
    if (truth < 0) {
        return NULL;
    }
    atomic_store(&ft_names_sites, truth != 0);
    Py_RETURN_NONE;
}

static PyObject *
made_by(PyObject *Py_UNUSED(m), PyObject *word)
{
    void *address = PyLong_AsVoidPtr(word);
    char line[FT_MADE_SHOWN];
    if (address == NULL && PyErr_Occurred()) {
        return NULL;
    }
    if (!ft_names_made(address, line)) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(line, (Py_ssize_t)strlen(line), "replace");
}

PyMethodDef ft_naming_functions[] = {
    {"note_lines", note_lines, METH_O,
     PyDoc_STR("note_lines($module, on, /)\n--\n\n"
               "Say whether locks that are made from now on remember the line that made them.")},
    {"made_by", made_by, METH_O,
     PyDoc_STR("made_by($module, word, /)\n--\n\n"
               "Return the line that made the lock with that word, \"file.py:12 in function\", or None\n"
               "where it was not noted.")},
    {0},
};
