"""The README as a page of a package index, which knows nothing of the files beside it.

Where the repository can be looked at is not written here: FT_UTILS_URL says it when a release is built, as
https://HOST/OWNER/NAME. Links to files then lead there, to the tag of the version. Without it they are text.
"""

import os
import re

VARIABLE = "FT_UTILS_URL"

# ![alt](target) and [text](target); the text may have code in it, no brackets.
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)


def url() -> str:
    """What the variable says, or "". ValueError for something else than an address."""
    value = os.environ.get(VARIABLE, "").rstrip("/")
    if value and not re.fullmatch(r"https://[^\s/]+/\S+", value):
        raise ValueError(f"{VARIABLE} has to be the address of the repository, https://HOST/OWNER/NAME, not {value!r}")
    return value


def project_urls(version: str) -> dict[str, str]:
    base = url()
    if not base:
        return {}
    return {
        "Source": base,
        "Documentation": f"{base}/blob/v{version}/README.md",
        "Changelog": f"{base}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{base}/issues",
    }


def page(readme: str, version: str) -> str:
    """The text with links that work on any page; code blocks stay as they are."""
    base = url()

    def relink(found: "re.Match[str]") -> str:
        image, text, target = found.groups()
        if re.match(r"[a-z]+:", target):
            return found[0]
        if not base:
            return f"({text})" if image else text
        kind = "raw" if image else "blob"
        path = f"README.md{target}" if target.startswith("#") else target
        return f"{image}[{text}]({base}/{kind}/v{version}/{path})"

    parts = _FENCE.split(readme)
    return "".join(part if part.startswith("```") else _LINK.sub(relink, part) for part in parts)
