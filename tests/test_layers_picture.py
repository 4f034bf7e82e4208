"""The picture of the layers shows the rooms, doors and imports that there are."""

from __future__ import annotations

import json

from scripts.draw_layers import DATA, PICTURE, Picture, draw
from tests.package import Module, read_package


def test_the_committed_picture_is_up_to_date() -> None:
    """Else run ``python -m scripts.draw_layers``; sizes of dots may lag behind."""
    drawn, now = json.loads(DATA.read_text(encoding="utf-8")), Picture.of(read_package())
    assert drawn["rooms"] == now.rooms
    assert drawn["doors"] == now.doors
    layers = {name: [int(layer) for layer in own] for name, own in drawn["layers"].items()}
    assert layers == {name: list(own) for name, own in now.layers.items()}
    assert PICTURE.exists()


def test_the_picture_is_read_off_the_imports() -> None:
    texts = {
        "errors": "",
        "core.block": "from panelml.errors import PanelmlError",
        "mixed.core.blup": "import panelml.core.block\nimport panelml.errors",
        "mixed.fit.new": "from panelml.mixed.core import blup",
        "random.gls": "def f():\n    from panelml.mixed.fit import new",
    }
    picture = Picture.of({name: Module(name, text) for name, text in texts.items()})
    assert picture.rooms == {
        "did": [],
        "glm": [],
        "linear": [],
        "mixed": ["core", "fit"],
        "random": [],
    }
    assert picture.doors == {"random": ["mixed"]}
    assert picture.layers["mixed"] == {0: "few", 1: "few"}
    assert picture.layers["core"] == {0: "few"}
    assert picture.layers["random"] == {}


def test_the_picture_can_be_drawn() -> None:
    figure = draw(Picture.of(read_package()))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"did/", "mixed/", "sensitivity", "core"} <= {word for t in texts for word in t.split()}
