"""Archives come whole or not at all: broken transfers, wrong bytes, slow and unfriendly servers."""

import hashlib
import random
import threading
from email.utils import formatdate

import pytest
from servers import scripted, serving
from tar_ecosystem import settings_for

from breakbulk.ecosystems.interface import Location
from breakbulk.errors import IntegrityError, NetworkError
from breakbulk.lock.model import Package
from breakbulk.store.transfers import Transfers, archive_of, shown

DATA = random.Random(7).randbytes(300_000)  # noqa: S311 - the same in every run


def package(data: bytes = DATA) -> Package:
    return Package(
        ecosystem="archive",
        name="thing",
        version="1",
        file="thing-1.tar",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        purl="pkg:generic/thing@1",
    )


class Bench:
    """Transfers whose pauses are written down instead of waited for."""

    def __init__(self, directory, **settings):
        self.partial = directory / "partial" / "thing"
        self.pauses = []
        self.advanced = 0
        self.transfers = Transfers(settings_for(directory, **settings), pause=self.pauses.append, advance=self._advance)

    def _advance(self, amount):
        self.advanced += amount

    def fetch(self, *urls, headers=None):
        locations = [
            Location(url=url, headers=headers or {}) if isinstance(url, str) else Location(path=url) for url in urls
        ]
        return self.transfers.fetch(archive_of(package()), locations, self.partial)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.transfers.close()


def whole(handler):
    handler.reply(DATA)


def test_an_archive_arrives_whole(bench):
    with serving(whole) as server:
        fetched = bench.fetch(f"{server.url}/thing-1.tar")
    assert fetched.path.read_bytes() == DATA
    assert (fetched.downloaded, bench.advanced) == (len(DATA), len(DATA))


def test_a_broken_transfer_goes_on_where_it_ended(bench):
    def broken(handler):
        handler.reply(DATA[:100_000], length=len(DATA), ETag='"one"')

    with serving(scripted(broken, lambda h: h.reply_range(DATA, ETag='"one"'))) as server:
        fetched = bench.fetch(f"{server.url}/thing")
        second = server.asked[1][1]
    assert fetched.path.read_bytes() == DATA
    start = int(second["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 100_000
    assert second["If-Range"] == '"one"'
    assert fetched.downloaded == len(DATA)
    assert len(bench.pauses) == 1


def test_the_next_process_goes_on_where_the_last_one_ended(bench):
    bench.partial.parent.mkdir()
    bench.partial.write_bytes(DATA[:200_000])
    with serving(lambda h: h.reply_range(DATA)) as server:
        fetched = bench.fetch(f"{server.url}/thing")
        assert server.asked[0][1]["Range"] == "bytes=200000-"
    assert fetched.path.read_bytes() == DATA
    assert fetched.downloaded == 100_000
    assert bench.advanced == len(DATA)


def test_a_whole_file_of_the_last_process_needs_no_network(bench):
    bench.partial.parent.mkdir()
    bench.partial.write_bytes(DATA)
    assert bench.fetch("http://127.0.0.1:9/thing").downloaded == 0


def test_a_wrong_beginning_of_the_last_process_is_thrown_away(bench):
    bench.partial.parent.mkdir()
    bench.partial.write_bytes(b"x" * 200_000)
    with serving(lambda h: h.reply_range(DATA)) as server:
        assert bench.fetch(f"{server.url}/thing").path.read_bytes() == DATA
    assert bench.advanced == len(DATA)


def test_a_server_without_ranges_sends_all_again(bench):
    with serving(scripted(lambda h: h.reply(DATA[:1000], length=len(DATA)), whole)) as server:
        assert bench.fetch(f"{server.url}/thing").path.read_bytes() == DATA


def test_a_server_that_breaks_off_again_and_again_is_given_as_many_tries_as_bring_bytes(bench):
    def broken(handler):
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        part = DATA[start : start + 30_000]
        handler.reply(
            part,
            status=206 if start else 200,
            length=len(DATA) - start,
            Content_Range=f"bytes {start}-{len(DATA) - 1}/{len(DATA)}",
        )

    with serving(broken) as server:
        assert bench.fetch(f"{server.url}/thing").path.read_bytes() == DATA
        assert len(server.asked) >= 10


def test_retry_after_is_honoured_and_back_off_grows(bench):
    answers = scripted(
        lambda h: h.reply(status=503, Retry_After="7"),
        lambda h: h.reply(status=429, Retry_After=formatdate(0, usegmt=True)),
        whole,
    )
    with serving(answers) as server:
        bench.fetch(f"{server.url}/thing")
    assert bench.pauses == [7.0, 0.0]


def test_back_off_doubles_with_jitter(tmp_path):
    bench = Bench(tmp_path, retries=6)
    with serving(lambda h: h.reply(status=500)) as server, pytest.raises(NetworkError) as raised:
        bench.fetch(f"{server.url}/thing")
    assert raised.value.reference == "download-failed"
    assert len(bench.pauses) == 5
    for number, pause in enumerate(bench.pauses):
        assert 0.5 * 0.5 * 2**number <= pause <= 1.5 * 0.5 * 2**number
    bench.transfers.close()


def test_the_next_place_is_tried_and_every_cause_is_told(bench, tmp_path):
    with serving(lambda h: h.reply(status=404)) as server:
        urls = [f"{server.url}/a?token=geheim", server.url.replace("//", "//me:geheim@") + "/b", tmp_path / "none"]
        with pytest.raises(NetworkError) as raised:
            bench.fetch(*urls)
        assert bench.pauses == [], "what is not there now will not be there in a second"
    error = str(raised.value)
    assert "archive:thing" in error
    assert f"{server.url}/a answered 404" in error
    assert f"{server.url}/b answered 404" in error
    assert "No such file" in error
    assert "geheim" not in error
    assert not bench.partial.exists()


def test_the_second_place_serves(bench):
    with serving(lambda h: h.reply(status=403)) as closed, serving(whole) as server:
        assert bench.fetch(f"{closed.url}/thing", f"{server.url}/thing").path.read_bytes() == DATA


def test_a_refused_connection_is_a_network_error(bench):
    with pytest.raises(NetworkError, match="download-failed"):
        bench.fetch("http://127.0.0.1:9/thing")


def test_an_address_that_is_none(bench):
    with pytest.raises(NetworkError):
        bench.fetch("ftp://127.0.0.1/thing")


def test_other_bytes_are_refused_and_not_kept(bench):
    with serving(lambda h: h.reply(DATA[::-1])) as server, pytest.raises(IntegrityError) as raised:
        bench.fetch(f"{server.url}/thing")
    assert raised.value.reference == "digest-mismatch"
    assert hashlib.sha256(DATA[::-1]).hexdigest() in raised.value.why
    assert package().sha256 in raised.value.why
    assert "correct `sha256` in the manifest" in raised.value.hint  # an upgrade changes no digest that is written there
    assert not bench.partial.exists()


def test_more_bytes_are_refused(bench):
    with serving(lambda h: h.reply(DATA + b"more")) as server, pytest.raises(IntegrityError) as raised:
        bench.fetch(f"{server.url}/thing")
    assert raised.value.reference == "digest-mismatch"


def test_fewer_bytes_are_told_as_such(bench):
    with serving(lambda h: h.reply_range(DATA[:5000])) as server, pytest.raises(IntegrityError) as raised:
        bench.fetch(f"{server.url}/thing")
    assert raised.value.reference == "download-truncated"


def test_a_file_with_other_bytes_is_refused(bench, tmp_path):
    (tmp_path / "archive").write_bytes(DATA[:-1] + b"?")
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        bench.fetch(tmp_path / "archive")


def test_a_file_is_used_where_it_is(bench, tmp_path):
    (tmp_path / "archive").write_bytes(DATA)
    fetched = bench.fetch(tmp_path / "archive")
    assert (fetched.path, fetched.downloaded) == (tmp_path / "archive", 0)


def test_a_redirect_to_another_origin_carries_no_credentials(bench):
    with serving(whole) as other:
        target = other.url.replace("127.0.0.1", "localhost")
        with serving(lambda h: h.reply(status=302, Location=f"{target}/thing")) as server:
            url = server.url.replace("//", "//me:secret@")
            bench.fetch(f"{url}/thing", headers={"Authorization": "Bearer secret", "X-Token": "secret"})
            assert server.asked[0][1]["X-Token"] == "secret"
        assert not {"Authorization", "X-Token"} & other.asked[0][1].keys()


def test_a_redirect_within_the_origin_keeps_them(bench):
    def answer(handler):
        if handler.path == "/thing":
            handler.reply(status=307, Location="/there")
        else:
            handler.reply(DATA)

    with serving(answer) as server:
        bench.fetch(server.url.replace("//", "//me:secret@") + "/thing", headers={"X-Token": "secret"})
        assert [headers["X-Token"] for _, headers in server.asked] == ["secret", "secret"]
        assert all(headers["Authorization"].startswith("Basic ") for _, headers in server.asked)


def test_redirects_without_end(bench):
    with serving(lambda h: h.reply(status=302, Location="/thing")) as server, pytest.raises(NetworkError):
        bench.fetch(f"{server.url}/thing")


def test_a_server_that_falls_silent_is_left(tmp_path):
    release = threading.Event()

    def silent(handler):
        handler.reply(DATA[:1000], length=len(DATA))
        handler.wfile.flush()
        release.wait(10)

    bench = Bench(tmp_path, timeout_s=0.2)
    with serving(scripted(silent, lambda h: h.reply_range(DATA))) as server:
        assert bench.fetch(f"{server.url}/thing").path.read_bytes() == DATA
        release.set()
    bench.transfers.close()


def test_nobody_needs_it_any_more(tmp_path):
    stop = threading.Event()
    stop.set()
    transfers = Transfers(settings_for(tmp_path), stop=stop)
    with serving(whole) as server, pytest.raises(NetworkError):
        transfers.fetch(archive_of(package()), [Location(url=f"{server.url}/thing")], tmp_path / "partial")
    transfers.close()


def test_addresses_are_shown_without_secrets():
    assert shown("https://me:pass@host.example:8443/a/b?sig=1#sha256=0") == "https://host.example:8443/a/b"
