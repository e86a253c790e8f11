/* The functions of the module that dump who waits for what. */
#ifndef FT_DUMPING_H
#define FT_DUMPING_H

#include "platform/common.h"

extern PyMethodDef ft_dump_functions[];

#endif
