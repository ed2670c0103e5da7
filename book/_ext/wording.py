"""The words of an extension, as gettext's: found where those of the pages are, and offered beside
them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.builders.gettext import MessageCatalogBuilder, MsgOrigin

if TYPE_CHECKING:
    from collections.abc import Callable

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


def translate(app: Sphinx, catalogue: str, words: Callable[[], dict[str, str]], file: str) -> None:
    """Let an extension's words be translated. file: where they stand."""

    def find(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
        for folder in app.config.locale_dirs:
            app.add_message_catalog(catalogue, str(Path(app.confdir) / folder))

    def offer(app: Sphinx) -> None:
        if isinstance(app.builder, MessageCatalogBuilder):
            for text in words().values():
                app.builder.catalogs[catalogue].add(text, MsgOrigin(file, 1))

    app.connect("env-before-read-docs", find)
    app.connect("builder-inited", offer)
