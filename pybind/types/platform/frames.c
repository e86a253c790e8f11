/* The one file that knows how a version of CPython keeps its frames. */
#if defined(__has_include)
#if __has_include(<internal/pycore_frame.h>)
#define HAS_INTERNAL 1
#endif
#endif

#include <patchlevel.h>

/* 3.13 alone: from 3.14 on the free-threaded build copies the code for each thread, and the
 * frame's fields are tagged. */
#if defined(HAS_INTERNAL) && !defined(FT_PUBLIC_FRAMES) && PY_VERSION_HEX >= 0x030d0000 && PY_VERSION_HEX < 0x030e0000
#define KNOWN_FRAMES 1
#define Py_BUILD_CORE 1
#endif

#include "platform/frames.h"

#ifdef KNOWN_FRAMES

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <internal/pycore_frame.h>
#pragma GCC diagnostic pop

/* A thread's own frames change only while it runs Python code, and here it does not. Frames
 * that stand for C, and those that have not reached their first instruction, name no line. */
int
ft_frames(struct ft_frame *frames, int most)
{
    int n = 0;
    struct _PyInterpreterFrame *f = PyThreadState_Get()->current_frame;
    for (; f != NULL && n < most; f = f->previous) {
        if (!_PyFrame_IsIncomplete(f)) {
            frames[n++] = (struct ft_frame){
                f->f_executable,
                _PyInterpreterFrame_LASTI(f) * (intptr_t)sizeof(_Py_CODEUNIT),
            };
        }
    }
    return n;
}

#else

/* By way of frame objects, which the interpreter makes for the purpose: public, and slower. */
int
ft_frames(struct ft_frame *frames, int most)
{
    int n = 0;
    PyObject *raised = PyErr_GetRaisedException();
    PyFrameObject *f = PyThreadState_GetFrame(PyThreadState_Get());
    while (f != NULL && n < most) {
        PyCodeObject *code = PyFrame_GetCode(f);
        frames[n++] = (struct ft_frame){(PyObject *)code, PyFrame_GetLasti(f)};
        Py_DECREF(code); /* the running function has it too */
        PyFrameObject *back = PyFrame_GetBack(f);
        Py_DECREF(f);
        f = back;
    }
    Py_XDECREF(f);
    PyErr_SetRaisedException(raised);
    return n;
}

#endif
