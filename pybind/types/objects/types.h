/* The types of the module, and how they find each other. */
#ifndef FT_TYPES_H
#define FT_TYPES_H

#include "platform/common.h"

extern PyType_Spec ft_interval_lock_spec;
extern PyType_Spec ft_rw_lock_spec;
extern PyType_Spec ft_read_context_spec;
extern PyType_Spec ft_write_context_spec;
extern PyType_Spec ft_lock_spec;
extern PyType_Spec ft_rlock_spec;
extern PyType_Spec ft_semaphore_spec;
extern PyType_Spec ft_bounded_semaphore_spec;
extern PyType_Spec ft_event_spec;
extern PyType_Spec ft_condition_spec;
extern PyType_Spec ft_barrier_spec;

/* The functions of the module. */
extern PyMethodDef ft_report_functions[], ft_dump_functions[], ft_record_functions[];

/* The module's state, one for each interpreter. */
struct ft_module_state {
    PyTypeObject *interval, *rw_lock, *lock, *rlock, *condition;
    PyObject *no_side; /* the exception of a ReaderWriterLock in a with statement */
    int watcher;       /* of the classes that programs may change, plus 1; 0: none */
};

/* The state of the module that made type or one of its bases. NULL with an exception set
 * when there is none. */
struct ft_module_state *ft_state_of(PyTypeObject *type);

/* The constructor of the contexts, called without making an argument tuple. */
PyObject *ft_context_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                                PyObject *kwnames);

#endif
