/* The object of a ReaderWriterLock. */
#ifndef FT_RWTYPE_H
#define FT_RWTYPE_H

#include "locks/rwlock.h"

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_rw rw;
} ReaderWriterLock;

/* The type's deallocator, which no other type has. */
void ft_rw_dealloc(PyObject *op);

#endif
