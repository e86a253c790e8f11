/* The module ft_utils._locks: its state and its making. Its functions: report.c and dumping.c. */
#include "objects/patchable.h"
#include "objects/process.h"
#include "objects/rwtype.h"
#include "objects/types.h"

static struct PyModuleDef module;

struct ft_module_state *
ft_state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &module);
    return m == NULL ? NULL : PyModule_GetState(m);
}

/* ---- making the module ---- */

/* Borrowed from the module. */
static PyTypeObject *
add_type(PyObject *m, PyType_Spec *spec, PyTypeObject *base)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, (PyObject *)base);
    int added = type == NULL ? -1 : PyModule_AddType(m, type);
    if (added == 0) {
        ft_share((PyObject *)type); /* it lives as long as the module */
    }
    Py_XDECREF(type);
    return added < 0 ? NULL : type;
}

static PyTypeObject *
owned(PyTypeObject *type)
{
    return (PyTypeObject *)Py_XNewRef(type);
}

/* One that programs may change. */
static PyTypeObject *
add_patchable(PyObject *m, PyType_Spec *spec, PyTypeObject *base)
{
    PyTypeObject *type = add_type(m, spec, base);
    if (type != NULL) {
        ft_watch_class(m, type);
    }
    return type;
}

static int
add_context(PyObject *m, PyType_Spec *spec)
{
    PyTypeObject *type = add_type(m, spec, NULL);
    if (type == NULL) {
        return -1;
    }
    type->tp_vectorcall = ft_context_vectorcall;
    return 0;
}

static int
locks_exec(PyObject *m)
{
    struct ft_module_state *state = PyModule_GetState(m);
    PyTypeObject *semaphore;
    if (ft_process_init() < 0 || PyModule_AddFunctions(m, ft_dump_functions) < 0
        || (state->interval = owned(add_type(m, &ft_interval_lock_spec, NULL))) == NULL
        || (state->rw_lock = owned(add_type(m, &ft_rw_lock_spec, NULL))) == NULL
        || (state->no_side = ft_rw_no_side()) == NULL
        || add_context(m, &ft_read_context_spec) < 0
        || add_context(m, &ft_write_context_spec) < 0
        || (state->lock = owned(add_type(m, &ft_lock_spec, NULL))) == NULL
        || (state->rlock = owned(add_type(m, &ft_rlock_spec, NULL))) == NULL
        || (semaphore = add_patchable(m, &ft_semaphore_spec, NULL)) == NULL
        || add_patchable(m, &ft_bounded_semaphore_spec, semaphore) == NULL
        || add_patchable(m, &ft_event_spec, NULL) == NULL
        || add_patchable(m, &ft_barrier_spec, NULL) == NULL
        || (state->condition = owned(add_patchable(m, &ft_condition_spec, NULL))) == NULL) {
        return -1;
    }
    return PyModule_AddIntConstant(m, "WORD_OFFSET", FT_WORD_OFFSET);
}

static int
locks_traverse(PyObject *m, visitproc visit, void *arg)
{
    struct ft_module_state *state = PyModule_GetState(m);
    Py_VISIT(state->interval);
    Py_VISIT(state->rw_lock);
    Py_VISIT(state->lock);
    Py_VISIT(state->rlock);
    Py_VISIT(state->condition);
    Py_VISIT(state->no_side);
    return 0;
}

static int
locks_clear(PyObject *m)
{
    struct ft_module_state *state = PyModule_GetState(m);
    Py_CLEAR(state->interval);
    Py_CLEAR(state->rw_lock);
    Py_CLEAR(state->lock);
    Py_CLEAR(state->rlock);
    Py_CLEAR(state->condition);
    Py_CLEAR(state->no_side);
    return 0;
}

static void
locks_free(void *m)
{
    ft_unwatch_classes(m);
    locks_clear(m);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, locks_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ft_utils._locks",
    .m_doc = PyDoc_STR("The lock types of ft_utils.synchronization."),
    .m_size = sizeof(struct ft_module_state),
    .m_methods = ft_report_functions,
    .m_slots = module_slots,
    .m_traverse = locks_traverse,
    .m_clear = locks_clear,
    .m_free = locks_free,
};

PyMODINIT_FUNC
PyInit__locks(void)
{
    return PyModuleDef_Init(&module);
}
