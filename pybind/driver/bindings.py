"""Runs the pybindgen program that gopy wrote, and changes through pybindgen's own API what gopy cannot be told.

gopy's program asks for far more than the reports: slices, handles and reference counts, whose misuse from Python
crashes the process. Only functions that return a string are let through; pybindgen then writes the C module.
"""

import runpy
import sys

import pybindgen

_IGNORED_WARNINGS = (
    "-Wmissing-field-initializers",  # the last fields of PyModuleDef are zero on purpose
    "-Wcast-function-type",  # a function with keyword arguments stands in a table of ones without, as CPython asks
)


def main(program: str, package: str) -> None:
    """Generate the C file in the current directory from gopy's *program*, exposing *package* alone."""

    class ControlModule(pybindgen.Module):
        def add_function(self, name, *args, **kwargs):
            """Drop gopy's own helpers. What it adds in this way for *package* would be a bare handle or a variable."""
            if name.startswith(f"{package}_"):
                refuse(name)

        def _add_function_obj(self, function):
            """gopy adds the functions of *package* in this way; only those returning a string free what they get."""
            if "free(retval)" not in function._failure_cleanup:
                refuse(function.function_name)
            super()._add_function_obj(function)

        def generate(self, out, *args, **kwargs):
            for warning in _IGNORED_WARNINGS:
                self.header.writeln(f'#pragma GCC diagnostic ignored "{warning}"')
            declare_gil_not_used(self)
            super().generate(out, *args, **kwargs)

    pybindgen.Module = ControlModule
    runpy.run_path(program)


def refuse(name: str) -> None:
    raise SystemExit(
        f"gopy cannot expose {name} safely: only functions that return a string can be reports"
    )


def declare_gil_not_used(module: pybindgen.Module) -> None:
    """Keep the GIL off on the free-threaded build: Go synchronises itself."""
    module.after_init.write_code("#ifdef Py_GIL_DISABLED")
    module.after_init.write_error_check("PyUnstable_Module_SetGIL(m, Py_MOD_GIL_NOT_USED) < 0", "Py_DECREF(m);")
    module.after_init.write_code("#endif")


if __name__ == "__main__":
    main(*sys.argv[1:])
