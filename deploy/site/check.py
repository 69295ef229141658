"""Checks the built site: what a page links to or loads is there, and it loads nothing from another host."""

import pathlib
import sys
import urllib.parse
from html.parser import HTMLParser


class Page(HTMLParser):
    """The targets of a page's links, what it loads, and the ids in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(attrs[name] for name in ("id", "name") if attrs.get(name))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        elif tag == "link" and attrs.get("href"):
            self.loads.append(attrs["href"])
        elif attrs.get("src"):
            self.loads.append(attrs["src"])


root = pathlib.Path(sys.argv[1]).resolve()
pages = {path: Page(path.read_text()) for path in root.rglob("*.html")}
wrong = []
for path, page in pages.items():
    if path.name == "404.html":  # it is served for any path
        continue
    for url in page.loads + page.links:
        to = urllib.parse.urlsplit(url)
        if to.scheme or to.netloc:
            if url in page.loads and to.scheme != "data":
                wrong.append(f"{path.relative_to(root)} loads {url}")
            continue
        target = (path.parent / urllib.parse.unquote(to.path)).resolve() if to.path else path
        if not target.is_file():
            wrong.append(f"{path.relative_to(root)} links to {url}, which is not there")
        elif to.fragment and target in pages and urllib.parse.unquote(to.fragment) not in pages[target].ids:
            wrong.append(f"{path.relative_to(root)} links to {url}, where nothing has that id")
for line in wrong:
    print(line, file=sys.stderr)
print(f"{len(pages)} pages, {sum(len(page.links) for page in pages.values())} links, {len(wrong)} wrong")
sys.exit(bool(wrong))
