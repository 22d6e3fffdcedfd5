"""The Simple API of package indexes: which files a project has, and where.

Asked only for wheels whose address nobody remembers, and to look a name up. JSON where the index speaks it, HTML
otherwise.

Format: https://packaging.python.org/specifications/simple-repository-api/ (PEP 503, 629, 691, 700).
"""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

from breakbulk.ecosystems.addresses import shown, without_credentials
from breakbulk.ecosystems.pypi.transport import Answer, Transport
from breakbulk.errors import NetworkError

__all__ = ["ProjectFile", "files_of_page", "project_files"]

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"


class ProjectFile(msgspec.Struct, frozen=True):
    """A file of a project: its address, and its SHA-256 where the index gives one.

    `uploaded` (RFC 3339) is known of indexes that speak JSON (PEP 700); `requires_python` is a specifier.
    """

    name: str
    url: str
    sha256: str | None = None
    uploaded: str | None = None
    requires_python: str | None = None
    yanked: bool = False


class _JsonFile(msgspec.Struct, rename="kebab"):
    filename: str
    url: str
    hashes: dict[str, str] = {}
    upload_time: str | None = None
    requires_python: str | None = None
    yanked: bool | str = False


class _JsonPage(msgspec.Struct):
    files: list[_JsonFile] = []


def project_files(index: str, name: str, transport: Transport, sha256: str | None = None) -> list[ProjectFile]:
    """Return the files of the project `name` (normalised) on `index`; none when it does not know the project."""
    return files_of_page(f"{index.rstrip('/')}/{name}/", transport, sha256)


def files_of_page(url: str, transport: Transport, sha256: str | None = None) -> list[ProjectFile]:
    """Return the files that the page at `url` links to, none when there is no such page; raise `NetworkError`.

    With `sha256` the files that have this digest will do: a page may list thousands, and to read them all would take
    longer than to download the one that is wanted.
    """
    answer = transport.get(url, {"Accept": _ACCEPT})
    if answer.status in {404, 410}:
        return []
    if answer.status != 200:
        raise _nonsense(url, f"it answers with status {answer.status}")
    if "json" in answer.headers.get("content-type", ""):
        return _of_json(answer, url, sha256)
    links = _Links()
    links.feed(_relevant(answer.body.decode("utf-8", "replace"), sha256))
    return [_of_link(urljoin(links.base or answer.url, href)) for href in links.found]


def _relevant(page: str, sha256: str | None) -> str:
    """Return the links of an HTML page that name a digest; the whole page where none does, or a base moves them."""
    links = []
    end = 0
    while sha256 and (found := page.find(sha256, end)) >= 0:
        start = page.rfind("<a", end, found)
        end = page.find(">", found) + 1
        if start >= 0 and end > 0:
            links.append(page[start:end])
        else:
            return page
    return "".join(links) if links and "<base" not in page else page


def _of_json(answer: Answer, url: str, sha256: str | None) -> list[ProjectFile]:
    try:
        page = msgspec.json.decode(answer.body, type=_JsonPage)
    except msgspec.DecodeError as error:
        raise _nonsense(url, str(error)) from error
    return [
        ProjectFile(
            each.filename,
            without_credentials(urljoin(answer.url, each.url)),
            each.hashes.get("sha256"),
            each.upload_time,
            each.requires_python,
            bool(each.yanked),
        )
        for each in page.files
        if sha256 is None or each.hashes.get("sha256", sha256) == sha256
    ]


def _of_link(link: str) -> ProjectFile:
    parts = urlsplit(link)
    algorithm, _, digest = parts.fragment.partition("&")[0].partition("=")
    name = unquote(parts.path.rpartition("/")[2])
    return ProjectFile(name, without_credentials(link), digest if algorithm == "sha256" else None)


def _nonsense(url: str, why: str) -> NetworkError:
    return NetworkError(
        "a package index answers what is no Simple API",
        identifier="index-unreachable",
        where=shown(url),
        why=why,
        hint="check the index's address in uv's or pip's configuration; it usually ends in /simple",
    )


class _Links(HTMLParser):
    """Collects the links of a page and its base address."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take `href` of `a` and `base`."""
        href = dict(attrs).get("href")
        if href and tag == "a":
            self.found.append(href)
        elif href and tag == "base":
            self.base = href
