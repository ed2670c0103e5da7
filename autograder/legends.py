"""Where a legend goes: never over a mark.

matplotlib's own "best" place is the least bad one, and knows neither the size of a marker nor the
bars of an error. Here a legend stays where it was put, if that covers nothing; else it moves to a
free place of its axes, and where there is none above them, in as many columns as fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.path import Path
    from matplotlib.transforms import Bbox

# By matplotlib's names of places, and the points of the compass that say the same of a box.
PLACES = {
    "upper right": "NE", "upper left": "NW", "lower left": "SW", "lower right": "SE",
    "upper center": "N", "lower center": "S", "center right": "E", "center left": "W",
}  # fmt: skip

# A legend above its axes, without a frame: for lines that fill them.
ABOVE: dict[str, Any] = {
    "loc": "lower center", "bbox_to_anchor": (0.5, 1), "borderaxespad": 0.2, "frameon": False,
}  # fmt: skip


class Mark(NamedTuple):
    """What a legend may not cover, in pixels: a path, and how far its pen reaches."""

    path: Path
    reach: float
    kind: str  # "line", "dots" or "area"

    def meets(self, box: Bbox) -> bool:
        """Whether any of it is drawn inside a box."""
        box = box.padded(self.reach)
        if self.kind == "dots":
            return bool(box.count_contains(self.path.vertices))
        return bool(self.path.intersects_bbox(box, filled=self.kind == "area"))


def marks(ax: Axes) -> list[Mark]:
    """All that is data in a drawing: lines, markers, bars, bands. Not the tints of a map, nor a
    strip that is shaded from edge to edge: a legend may stand on these."""
    found = []
    pixel = ax.figure.dpi / 72
    for line in ax.lines:
        if not line.get_visible():
            continue
        path = line.get_transform().transform_path(line.get_path())
        if line.get_linestyle() not in ("None", "", " "):
            found.append(Mark(path, pixel * line.get_linewidth() / 2, "line"))
        if line.get_marker() not in ("None", "", " ", None):
            found.append(Mark(path, pixel * line.get_markersize() / 2, "dots"))
    for patch in ax.patches:
        # What ignores one axis is a strip.
        if all(patch.get_data_transform().contains_branch_seperately(ax.transData)):
            found.append(Mark(patch.get_transform().transform_path(patch.get_path()), 0, "area"))
    for collection in ax.collections:
        found += _of_collection(collection)
    return found


def _of_collection(collection: Any) -> list[Mark]:
    from matplotlib.collections import LineCollection, PathCollection, PolyCollection
    from matplotlib.path import Path

    pixel = collection.figure.dpi / 72
    if isinstance(collection, PathCollection):
        sizes = collection.get_sizes()
        reach = pixel * np.sqrt(np.max(sizes, initial=0)) / 2
        centres = collection.get_offset_transform().transform(collection.get_offsets())
        return [Mark(Path(np.asarray(centres)), reach, "dots")]
    if not isinstance(collection, LineCollection | PolyCollection):
        return []
    kind = "line" if isinstance(collection, LineCollection) else "area"
    reach = pixel * np.max(collection.get_linewidth(), initial=0) / 2
    move = collection.get_transform().transform_path
    return [Mark(move(path), reach, kind) for path in collection.get_paths()]


def covered(legend: Legend, ax: Axes, renderer: Any) -> bool:
    """Whether a legend stands on a mark of its axes, or on a word."""
    return not Ground(ax, renderer).is_free(legend.get_window_extent(renderer))


class Ground:
    """The marks and words of a pair of axes, as they stand: looked up once for all places."""

    def __init__(self, ax: Axes, renderer: Any) -> None:
        self._axes = ax.bbox
        self._marks = marks(ax)
        self._words = [text.get_window_extent(renderer) for text in ax.texts]

    def is_free(self, box: Bbox) -> bool:
        """Whether nothing is drawn in a box."""
        from matplotlib.transforms import Bbox

        # What leaves the axes is not drawn there.
        inside = Bbox.intersection(box, self._axes)
        if inside is not None and any(mark.meets(inside) for mark in self._marks):
            return False
        return not any(box.overlaps(word) for word in self._words)


def settle(figure: Figure, renderer: Any) -> None:
    """Move every legend of a figure that stands on a mark."""
    engine = figure.get_layout_engine()
    for _ in range(3):  # a legend above takes room from other axes
        with_legends = [ax for ax in figure.axes if ax.get_legend() is not None]
        if engine is not None and with_legends:
            engine.execute(figure)
        above = [_settled(figure, ax, renderer) for ax in with_legends]
        if engine is None or not any(above):
            return


def _settled(figure: Figure, ax: Axes, renderer: Any) -> bool:
    """Find a place for the legend of one pair of axes; whether it is now above them."""
    legend = ax.get_legend()
    if legend is None or ax.name == "3d":
        return False
    ground, box = Ground(ax, renderer), legend.get_window_extent(renderer)
    if ground.is_free(box):
        return False
    # A legend is as large wherever it stands.
    pad = legend.borderaxespad * renderer.points_to_pixels(legend.prop.get_size_in_points())
    for place, side in PLACES.items():
        if ground.is_free(box.anchored(side, ax.bbox.padded(-pad))):  # type: ignore[arg-type]
            legend.set_bbox_to_anchor(None)
            legend.set_loc(place)  # type: ignore[arg-type]
            return False
    _above(figure, ax, legend, renderer)
    return True


def _above(figure: Figure, ax: Axes, legend: Legend, renderer: Any) -> None:
    """Make a legend anew above its axes; of axes side by side, above all of them."""
    texts = [text.get_text() for text in legend.get_texts()]
    own = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    drawn: list[Any] = [
        own.get(text, handle) for text, handle in zip(texts, legend.legend_handles, strict=True)
    ]
    title = legend.get_title()
    options: dict[str, Any] = {
        "fontsize": legend.get_texts()[0].get_fontsize(),
        "title": title.get_text() or None,
        "title_fontsize": title.get_fontsize(),
        "markerscale": legend.markerscale,
        "frameon": False,
    }
    beside = figure.get_layout_engine() is not None and any(
        other.get_subplotspec() is not None and other.get_subplotspec().get_gridspec().ncols > 1  # type: ignore[union-attr]
        for other in figure.axes
    )
    for columns in range(len(texts), 0, -1):
        if beside:
            legend.remove()
            legend = figure.legend(
                drawn, texts, loc="outside upper center", ncols=columns, **options
            )
        else:
            legend = ax.legend(drawn, texts, ncols=columns, **(options | ABOVE))
        if legend.get_window_extent(renderer).width <= (figure if beside else ax).bbox.width:
            break
    if ax.get_title() and not beside:
        height = legend.get_window_extent(renderer).height * 72 / figure.dpi
        ax.set_title(ax.get_title(), pad=height + 6, fontsize=ax.title.get_fontsize())
