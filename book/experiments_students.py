"""Chapter 8's opening figure: two students, two forms of momentum, one learning rate.

Its curves are runs of the course's own library, made when the page is built; the script computes
nothing. Every word that a reader sees or hears stands in this file, as a plain string to be
translated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.figures import COLOURS, PURPLE, new_figure
from book import experiments_experiments as lab
from book.experiments_live import plain as to_four_digits
from book.page import live_figure, live_look, picture

Array = np.ndarray
Key = tuple[str, float, float]

# In the order in which they are drawn: what lies below is wider.
FORMS = ("pytorch", "plain", "averaged")
LOOKS: dict[str, dict[str, Any]] = {
    "pytorch": {"colour": COLOURS.index(PURPLE) + 1, "dash": "none", "width": 4.5},
    "plain": live_look("plain") | {"width": 2},
    "averaged": live_look("momentum") | {"width": 2},
}
SAME = ("lr", "step")
OPENING = ("lr", lab.MOMENTUM_LR, 0.9)
LEVEL = 1.25  # a loss within this factor of another one is about the same

LABEL = "two students and their momentum"
WORDS: dict[str, Any] = {
    "fall": "Training loss, logarithmic",
    "ends": "The same after {epochs} epochs, over lr",
    "epoch": "epoch",
    "lr": "lr of student 1",
    "beta": "β of both",
    "same": "Student 2 and no momentum get",
    "forms": {
        "pytorch": "student 1: v ← βv + g",
        "averaged": "student 2: v ← βv + (1 − β)g",
        "plain": "no momentum",
    },
    "options": {"lr": "the same lr", "step": "the same step"},
}
STATE = {
    "lr": "All have lr = {lr}; β = {beta}. {ends}",
    "step": "Student 1 has lr = {lr}, the others {lr} / (1 − {beta}) = {rate}. {ends}",
}
ENDS = (
    "After {epochs} epochs no momentum is at {plain}. Student 1: {pytorch}, {first}. "
    "Student 2: {averaged}, {second}."
)
VERDICTS = {
    "same": "the same",
    "level": "about the same",
    "lower": "{times} times lower",
    "higher": "{times} times higher",
}
STILL = (
    "<p>Sliders that need JavaScript and a screen: <code>lr</code> and β of both students. Above, "
    "how it begins; below, what is left when all take steps of the same length.</p>"
)
ALT = (
    "Two panels of training loss over twenty epochs, logarithmic axes. Above, at the same learning "
    "rate, student 2's curve lies on the one without momentum, and both end near 1; student 1's "
    "falls to below a tenth of that. Below, at the same step, all three lie on one another and end "
    "near 0.08."
)


def keys(same: str, lr: float, beta: float) -> dict[str, Key]:
    """Which run each form shows, when student 1 has this lr and the others get the same lr, or the
    same step."""
    rate = lr if same == "lr" else lab.effective_rate(lr, beta)
    plain = ("plain", rate, 0.0)
    if not beta:
        return dict.fromkeys(FORMS, plain)
    return {"pytorch": ("pytorch", lr, beta), "plain": plain, "averaged": ("averaged", rate, beta)}


def finite(losses: Array) -> Array:
    """The same, with infinity for what is no number: such a run has left the drawing."""
    return np.where(np.isfinite(losses), losses, np.inf)


def end(runs: lab.Runs) -> float:
    """The median of the training loss after the last epoch."""
    return float(np.median(finite(runs.last)))


def against(loss: float, plain: float) -> str:
    """How a loss compares with the one without momentum."""
    ratio = loss / plain
    which = "higher" if ratio > LEVEL else "lower" if ratio < 1 / LEVEL else "level"
    times = max(ratio, 1 / ratio)
    number = f"{times:.0f}" if times >= 9.95 else f"{times:.1f}"
    return VERDICTS["same" if loss == plain else which].format(times=number)


def state(same: str, lr: float, beta: float) -> str:
    """A setting in words."""
    found, runs = keys(same, lr, beta), lab.two_students()
    losses = {form: end(runs[key]) for form, key in found.items()}
    ends = ENDS.format(
        epochs=lab.BASE["epochs"],
        first=against(losses["pytorch"], losses["plain"]),
        second=against(losses["averaged"], losses["plain"]),
        **{form: f"{loss:.3f}" for form, loss in losses.items()},
    )
    rate = found["plain"][1]
    return STATE[same].format(lr=f"{lr:g}", beta=f"{beta:g}", rate=f"{rate:g}", ends=ends)


def curve(runs: lab.Runs) -> dict[str, list[float | None]]:
    """Lowest, median and highest loss after each epoch."""
    losses = finite(runs.train_loss)
    kinds: dict[str, Any] = {"low": np.min, "middle": np.median, "high": np.max}
    return {name: to_four_digits(kind(losses, axis=0)) for name, kind in kinds.items()}


def students_data() -> dict[str, Any]:
    """What the figure needs: each run once, and for each setting which of them it shows."""
    runs = lab.two_students()
    place = {key: i for i, key in enumerate(runs)}
    opening, lr, beta = OPENING
    return {
        "lr": {"values": lab.STUDENT_RATES, "start": lab.STUDENT_RATES.index(lr)},
        "beta": {"values": lab.STUDENT_BETAS, "start": lab.STUDENT_BETAS.index(beta)},
        "same": {"values": SAME, "start": opening},
        "forms": FORMS,
        "looks": LOOKS,
        "words": WORDS | {"ends": WORDS["ends"].format(epochs=lab.BASE["epochs"])},
        "curves": [curve(one) for one in runs.values()],
        "settings": {
            same: [
                [
                    {
                        "lines": [place[key] for key in keys(same, lr, beta).values()],
                        "state": state(same, lr, beta),
                    }
                    for lr in lab.STUDENT_RATES
                ]
                for beta in lab.STUDENT_BETAS
            ]
            for same in SAME
        },
    }


def still() -> str:
    """The opening setting, and the same with steps of one length."""
    runs = lab.two_students()
    _, lr, beta = OPENING
    figure, axes = new_figure(2, 1, size=(5.6, 6.0), sharex=True, sharey=True)
    for ax, same in zip(axes, SAME, strict=True):
        for form, key in keys(same, lr, beta).items():
            look, losses = LOOKS[form], runs[key].train_loss
            line = {"linewidth": look["width"]} | ({"linestyle": "-"} if form == "pytorch" else {})
            label = WORDS["forms"][form]
            lab.band(ax, np.arange(losses.shape[1]), losses, look["colour"] - 1, label, **line)
        title = WORDS["options"][same]
        ax.set(yscale="log", ylabel="training loss", title=title, xticks=range(0, 21, 5))
    axes[0].legend(loc="lower left", fontsize=10)
    axes[1].set_xlabel(WORDS["epoch"])
    return STILL + picture(figure, ALT)


def students_figure() -> str:
    """The live figure, as HTML."""
    return live_figure(
        "experiments-students",
        script="experiments",
        label=LABEL,
        still=still(),
        data=students_data(),
    )
