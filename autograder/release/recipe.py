"""How a learner sets up: one recipe, for what lies in the archives and for the site's pages."""

from __future__ import annotations

from dataclasses import dataclass

from autograder.i18n import _

UV = "https://docs.astral.sh/uv/"


@dataclass(frozen=True)
class Way:
    """What somebody types who has this system and these tools; `lines` go into one terminal."""

    title: str
    lines: tuple[str, ...]


def ways(wheel: str, opens: str = "", *, torch: bool = False) -> list[Way]:
    """The ways to JupyterLab, the best first. No environment is activated: PowerShell refuses to.

    Parameters
    ----------
    wheel : the name of the course's package, in the folder where the terminal is
    opens : the notebook to open; the folder, if left out
    torch : whether PyTorch is needed too
    """
    package = f'"./{wheel}[torch]"' if torch else f"./{wheel}"
    lab = f"jupyter lab {opens}".strip()
    unix = f".venv/bin/pip install jupyterlab {package} && .venv/bin/{lab}"
    windows = f".venv\\Scripts\\pip install jupyterlab {package}; .venv\\Scripts\\{lab}"
    if torch:
        # Left to itself, the resolver takes the build for GPUs on Linux: several GB.
        cpu = "pip install torch --index-url https://download.pytorch.org/whl/cpu"
        unix = f".venv/bin/{cpu} && {unix}"
        windows = f".venv\\Scripts\\{cpu}; {windows}"
        by_uv: tuple[str, ...] = (
            "uv venv",
            f"uv pip install --torch-backend=auto jupyterlab {package}",
            f"uv run {lab}",
        )
    else:
        by_uv = (f"uv run --with {package} --with jupyterlab {lab}",)
    return [
        Way(_("With uv, on every system"), by_uv),
        Way(_("Linux and macOS"), (f"python3 -m venv .venv && {unix}",)),
        Way(_("Windows, in PowerShell"), (f"py -m venv .venv; {windows}",)),
    ]


def in_words() -> list[str]:
    """What belongs to each of the ways, in their order; the last is for whoever it fails."""
    return [
        _("uv (<{address}>) brings a Python of its own.").format(address=UV),
        _(
            "Without it you need Python 3.11 or newer. Debian and Ubuntu keep a part of theirs in "
            "a package of its own: `sudo apt install python3-venv`"
        ),
        _("Next time the last command is enough: the one that ends in `jupyter lab`."),
    ]


def readme(name: str, wheel: str, opens: str = "", *, torch: bool = False) -> str:
    """README.txt of an archive: everything that is to be done, in one page."""
    uv, *others = ways(wheel, opens, torch=torch)
    has_uv, needs, again = in_words()

    def block(way: Way) -> str:
        return f"{way.title}:\n\n" + "".join(f"    {line}\n" for line in way.lines) + "\n"

    return (
        f"{name}\n\n"
        + _("Unpack the archive (Safari has done so) and open a terminal in this folder.")
        + f"\n\n{block(uv)}{has_uv} {needs}\n\n"
        + "".join(block(way) for way in others)
        + f"{again}\n\n"
        + _(
            "Leave the other files beside the notebook: the checks read checks.json, and what the "
            "notebook imports is there."
        )
        + "\n"
    )
