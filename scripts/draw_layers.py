"""Draw the layers of the package, and what each folder imports, into docs/images/.

``python -m scripts.draw_layers`` reads the imports off the syntax trees, as the tests do.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from tests.package import FLOORS, LAYERS, PACKAGE, ROOMS, Package, inner_imports, read_package

IMAGES = PACKAGE.parent / "docs" / "images"
PICTURE, DATA = IMAGES / "layers.png", IMAGES / "layers.json"

#: Sizes of dots.
DOTS = {"few": 4.0, "some": 7.0, "many": 11.0}

WORDS = {
    5: "results, predictions, tables, plots",
    4: "from scores to uncertainty",
    3: "the only loop over chunks",
    2: "the only place with data frames",
    1: "arrays in, frozen values out",
    0: "exceptions, aliases",
}
COLOURS = {
    "linear": "#0072b2",
    "glm": "#8a6d00",
    "mixed": "#00805e",
    "random": "#b0568c",
    "did": "#c25200",
    "diagnostics": "#5d4a9c",
}
TRUNK, PAPER, GREY = "#eef1f4", "#fafbfc", "#6b7680"
#: Where folders have their lines.
PLACES = {
    "results": 5.75,
    "inference": 6.2,
    "engine": 6.65,
    "data": 7.1,
    "core": 7.55,
    "linear": 9.0,
    "glm": 11.0,
    "mixed": 13.0,
    "random": 15.0,
    "did": 17.0,
    "diagnostics": 18.35,
}
WIDTH, ROOM, BAR, ROOF = 18.7, 1.7, 0.74, 10.25


@dataclass(frozen=True, slots=True)
class Picture:
    """What the picture shows.

    Attributes
    ----------
    rooms : dict of str to list of str
        The folders of each room.
    layers : dict of str to dict of int to str
        How often a folder's modules import from each layer of the trunk: few, some or many.
    doors : dict of str to list of str
        The rooms that a folder imports.
    """

    rooms: dict[str, list[str]]
    layers: dict[str, dict[int, str]]
    doors: dict[str, list[str]]

    @classmethod
    def of(cls, package: Package) -> Picture:
        """Read it off the imports."""
        rooms: dict[str, set[str]] = {room: set() for room in sorted(ROOMS)}
        counts: dict[str, Counter[str]] = {name: Counter() for name in PLACES}
        for name, module in package.items():
            inside = name.split(".")[1:-1]
            if module.stage in ROOMS and inside:
                rooms[module.stage].add(inside[0])
            if module.stage in PLACES:
                targets = (target.split(".")[0] for target in inner_imports(module, package))
                counts[module.stage].update(target for target in targets if target != module.stage)
        layers = {name: Counter[int]() for name in PLACES}
        for name, count in counts.items():
            for target, number in count.items():
                layers[name][LAYERS[target]] += number
        return cls(
            {name: ordered(folders) for name, folders in rooms.items()},
            {
                name: {layer: words_of(own[layer]) for layer in sorted(own) if layer in WORDS}
                for name, own in layers.items()
            },
            {name: sorted(ROOMS & set(own)) for name, own in counts.items() if ROOMS & set(own)},
        )

    def json(self) -> str:
        """Return it as text, by which tests see whether it is up to date."""
        return json.dumps(asdict(self), indent=1) + "\n"


def words_of(number: int) -> str:
    return "few" if number < 5 else "some" if number < 25 else "many"


def ordered(folders: Iterable[str]) -> list[str]:
    """Folders of a room, from its ground floor up."""
    known = [name for name in FLOORS if name in folders]
    return [*known, *sorted(set(folders) - set(known))]


def draw(picture: Picture) -> plt.Figure:
    """Draw the trunk, the rooms that stand on it, and from each a line to what it imports."""
    figure, axes = plt.subplots(figsize=(12.2, 7.3), layout="constrained")
    for layer, words in WORDS.items():
        names = "   ".join(name for name, place in LAYERS.items() if place == layer)
        box(axes, (0.0, layer), (WIDTH, BAR), TRUNK, "none")
        axes.text(0.2, layer + 0.47, names, weight="bold", va="center")
        axes.text(0.2, layer + 0.19, words, color=GREY, size=8.5, va="center")
    for name in PLACES:
        line(axes, name, picture.layers[name])
    for name, folders in picture.rooms.items():
        room(axes, name, folders)
    roof(axes)
    doors(axes, picture)
    legend(axes)
    axes.set(xlim=(-0.1, WIDTH + 0.1), ylim=(-0.1, ROOF + 1.75))
    axes.axis("off")
    return figure


def legend(axes: Axes) -> None:
    """Say how the picture is read."""
    rows = (
        "A folder imports only from below.",
        "From each a line runs down, with a dot",
        "on every layer that it imports:",
        "",
        "Rooms stand on the trunk. They import",
        "no other room, but through a door.",
    )
    for place, row in enumerate(rows):
        axes.text(0.2, ROOF - 0.4 - 0.5 * place, row, color=GREY, va="center")
    for x, (words, size) in zip((0.4, 1.7, 3.2), DOTS.items(), strict=True):
        axes.plot([x], [ROOF - 1.9], "o", color=GREY, ms=size)
        axes.text(x + 0.25, ROOF - 1.9, words, color=GREY, va="center")


def ground(name: str) -> float:
    """Height of a room's floor."""
    return 6.15 if LAYERS[name] == 6 else 6.75


def height(folders: list[str]) -> float:
    """How tall a room with these folders is."""
    return 0.36 * len(folders) + 0.62


def box(
    axes: Axes, corner: tuple[float, float], size: tuple[float, float], face: str, edge: str
) -> None:
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(
        FancyBboxPatch(corner, *size, boxstyle=style, facecolor=face, edgecolor=edge, linewidth=1.4)
    )


def room(axes: Axes, name: str, folders: list[str]) -> None:
    """Draw a room with its folders, the ground floor at the bottom."""
    low, left, tall = ground(name), PLACES[name] - ROOM / 2, height(folders)
    box(axes, (left, low), (ROOM, tall), PAPER, COLOURS[name])
    axes.text(
        PLACES[name],
        low + tall - 0.3,
        f"{name}/",
        weight="bold",
        color=COLOURS[name],
        ha="center",
        va="center",
    )
    for floor, folder in enumerate(folders):
        axes.text(
            PLACES[name], low + 0.24 + 0.36 * floor, folder, size=8.5, ha="center", va="center"
        )


def line(axes: Axes, name: str, layers: dict[int, str]) -> None:
    """Draw a folder's line down the trunk, with a dot on each layer that it imports."""
    x, colour = PLACES[name], COLOURS.get(name, GREY)
    trunk = name not in COLOURS
    top = LAYERS[name] + BAR / 2 if trunk else ROOF if name == "diagnostics" else ground(name)
    axes.plot([x, x], [min(layers) + BAR / 2, top], color=colour, lw=1.6)
    for layer, words in layers.items():
        axes.plot([x], [layer + BAR / 2], "o", color=colour, ms=DOTS[words])
    if trunk:
        axes.plot([x], [top], "s", color=colour, ms=7)


def roof(axes: Axes) -> None:
    """Draw what stands above the rooms: tests across fits, public names, the command line."""
    left = PLACES["linear"] - ROOM / 2
    colour = COLOURS["diagnostics"]
    box(axes, (left, ROOF), (WIDTH - left, 0.6), PAPER, colour)
    axes.text(left + 0.2, ROOF + 0.3, "diagnostics/", weight="bold", color=colour, va="center")
    axes.text(left + 2.4, ROOF + 0.3, "tests across fits, the report", size=8.5, va="center")
    box(axes, (left, ROOF + 0.85), (WIDTH - left, 0.6), PAPER, GREY)
    axes.text(
        left + 0.2, ROOF + 1.15, "import panelml as pm", weight="bold", color=GREY, va="center"
    )
    axes.text(left + 4.0, ROOF + 1.15, "public names; the command line", size=8.5, va="center")


def doors(axes: Axes, picture: Picture) -> None:
    """Draw an arrow for each import of a room from elsewhere."""
    for name, targets in picture.doors.items():
        for target in targets:
            if name == "diagnostics":
                start = (PLACES[target], ROOF)
                end = (PLACES[target], ground(target) + height(picture.rooms[target]))
            else:
                start = (PLACES[name] - ROOM / 2, ground(target) + 1.0)
                end = (PLACES[target] + ROOM / 2, ground(target) + 1.0)
            style = {"arrowstyle": "-|>", "color": COLOURS[name], "lw": 1.6, "shrinkA": 0}
            axes.annotate("", end, start, arrowprops=style | {"shrinkB": 0})


def main() -> None:
    matplotlib.use("agg")
    plt.rcParams.update({"font.size": 10.5})
    picture = Picture.of(read_package())
    draw(picture).savefig(PICTURE, dpi=130, metadata={"Software": None})
    DATA.write_text(picture.json(), encoding="utf-8")


if __name__ == "__main__":
    main()
