/* The Python frames of the calling thread, cheap enough for the slow path of a lock. */
#ifndef FT_FRAMES_H
#define FT_FRAMES_H

#include "platform/common.h"

/* Where a function is. The code object is borrowed from the frame, which keeps it while the
 * function runs. */
struct ft_frame {
    PyObject *code;
    intptr_t offset; /* of the instruction, in bytes: for PyCode_Addr2Line */
};

/* Fills in the innermost frames, the innermost first, and returns their number. The caller is
 * attached. No Python code runs and no exception that is set is touched. */
int ft_frames(struct ft_frame *frames, int most);

#endif
