/* The object of a ReaderWriterLock. */
#ifndef FT_RWTYPE_H
#define FT_RWTYPE_H

#include "locks/rwlock.h"
#include "objects/lockobj.h"

typedef struct {
    FT_OBJECT_HEAD
    struct ft_rw rw;
} ReaderWriterLock;

/* The type's deallocator, which no other type has. */
void ft_rw_dealloc(PyObject *op);

/* Makes the exception of a lock in a with statement, once for each module. */
PyObject *ft_rw_no_side(void);

#endif
