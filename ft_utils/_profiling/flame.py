"""A flame graph as one HTML file, which needs nothing from elsewhere: flame.html with a profile put into it."""

import html
import json
from importlib.resources import files

from ft_utils._profiling.profile import Profile
from ft_utils._profiling.summary import notes

TITLE, DATA = "<!--title-->", "<!--profile-->"


def flame_graph(profile: Profile, name: str) -> str:
    """The page; *name* is in its title."""
    template = (files("ft_utils._profiling") / "flame.html").read_text(encoding="utf-8")
    head, rest = template.split(TITLE)
    middle, tail = rest.split(DATA)
    # In a script element only a < can end it early.
    data = json.dumps(page_data(profile), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return head + html.escape(name) + middle + data + tail


def page_data(profile: Profile) -> dict[str, object]:
    """What the page draws: times in nanoseconds, a sample's kind as its menu has it, stacks the outermost first."""
    data = profile.data
    rate = data.get("rate", 1)
    samples = []
    for sample in data["samples"]:
        holder = sample["role"] == "holder"
        scale = 1 if holder else rate
        samples.append(
            {
                "kind": "holding" if holder else "waiting" if sample["side"] == "wait" else "delay",
                "lock": sample["lock"],
                "side": sample["side"] if sample["side"] in ("read", "write") else "",
                "thread": sample.get("thread", ""),
                "count": sample["count"] * scale,
                "ns": sample["ns"] * scale,
                "stack": sample["stack"][::-1],
            }
        )
    return {
        "command": data.get("command", ""),
        "duration": data["duration_ns"],
        "notes": list(notes(profile)),
        "frames": [[f["function"], f["file"], f["line"]] for f in data["frames"]],
        "locks": [f"{lock['kind']} {lock['name']}" for lock in data["locks"]],
        "samples": samples,
    }
