"""Reading pages as a browser would: elements, attributes and text."""

import json
from html.parser import HTMLParser
from typing import Any


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        elements: (name, attributes) of every element, in order.
        words: The text between them, in pieces.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def settings(self) -> dict[str, Any]:
        """What the dashboard's page is told with itself."""
        (given,) = self.attributes("data-settings")
        settings: dict[str, Any] = json.loads(given)
        return settings

    def attributes(self, name: str) -> list[str]:
        """The values of an attribute wherever it stands."""
        return [
            value or "" for _, attrs in self.elements for key, value in attrs.items() if key == name
        ]
