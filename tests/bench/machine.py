"""What the figures were measured on. No date: the same machine describes itself the same way every time."""

import os
import platform
import sysconfig
from typing import Any


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe(gil_enabled: bool) -> dict[str, Any]:
    """The machine and the interpreter; whether the GIL is on is known only where the libraries are loaded."""
    return {
        "cpu": _cpu(),
        "cores": os.process_cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil_enabled": gil_enabled,
        "compiler": platform.python_compiler(),
        "optimisation": sysconfig.get_config_var("OPT"),
        "configure": sysconfig.get_config_var("CONFIG_ARGS"),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def summary(machine: dict[str, Any]) -> str:
    build = "free-threaded" if machine["free_threaded"] else "with the GIL"
    return (
        f"CPython {machine['python']} {build}; {machine['cpu']}, {machine['cores']} cores; "
        f"{machine['system']} {machine['kernel']} {machine['machine']}; load before the run {machine['load'][0]}"
    )
