"""Every example locks for both systems, realises and does what its README says."""

import json
import re

import pytest

pytestmark = pytest.mark.integration


def test_hello_is_said_by_jq_and_rich(example) -> None:
    hello = example("hello")
    assert re.search(r"Hello from an overlay: \d+ Debian packages, no image", hello("run", "--", "hello"))
    assert set(hello.lock()["systems"]) == {"x86_64-linux", "aarch64-linux"}
    assert hello("run", "jq", "--version").startswith("jq-1.6")


def test_no_lock_names_a_host(example) -> None:
    hello = example("hello")
    hello("lock")
    lock = hello.lock()
    del lock["manifest"]
    assert "://" not in json.dumps(lock)
    for section in lock["systems"].values():
        for package in section["packages"]:
            assert package["sha256"]
            assert package["size"]
            assert package["why"]
            assert package["purl"].startswith("pkg:")


def test_postgres_answers_and_keeps_its_data(example) -> None:
    postgres = example("postgres-headless")
    make = "create table t(x int); insert into t select generate_series(1, 10)"
    postgres("run", "--service", "postgres", "--", "psql", "-v", "ON_ERROR_STOP=1", "-qc", make)
    total = postgres("run", "--service", "postgres", "--", "psql", "-Atc", "select sum(x) from t")
    assert total.strip() == "55"


def test_redis_counts(example) -> None:
    redis = example("redis-headless")
    for expected in ("1", "2"):
        out = redis("run", "--service", "redis", "--", "redis-cli", "-p", "16379", "incr", "visits")
        assert out.strip().endswith(expected)


def test_data_science_draws_a_picture(example) -> None:
    science = example("data-science")
    out = science("run", "--", "python", "plot.py", "figure.png")
    assert "amplitude 3.0" in out
    assert (science.directory / "figure.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_java_serves(example) -> None:
    java = example("java-service")
    out = java("run", "--service", "web", "--", "curl", "-sf", "--noproxy", "*", "http://127.0.0.1:18080/hello")
    assert out == "hello from Java 17\n"


def test_node_sorts_what_it_reads(example) -> None:
    node = example("node-tool")
    assert json.loads(node("run", "--", "sort-json", stdin='{"b":1,"a":[2,3]}')) == {"a": [2, 3], "b": 1}
    node("run", "--", "sort-json", stdin="{", status=1)


def test_tickets_are_enriched_by_the_real_model(example) -> None:
    tickets = example("ticket-processor")
    done = json.loads(tickets("run", "--service", "aws", "--", "ticket-demo", "--count", "6", "--json"))
    assert len(done["tickets"]) == done["enriched_objects"] == 6
    for ticket in done["tickets"]:
        assert ticket["embedding"] == 384
        assert ticket["summary"] in ticket["text"]
        assert ticket["intent"]
        assert ticket["urgency"]
        assert ticket["sentiment"]


def test_the_embedding_is_that_of_the_published_model(example) -> None:
    """The three sentences and their similarities are those of the model's documentation."""
    tickets = example("ticket-processor")
    program = (
        "from ticket_processor.embedding import Embedder\n"
        "lines = ['The weather is lovely today.', \"It's so sunny outside!\", 'He drove to the stadium.']\n"
        "v = Embedder().embed(lines)\n"
        "print(*(f'{x:.4f}' for x in (v[0] @ v[1], v[0] @ v[2], v[1] @ v[2])))"
    )
    assert tickets("run", "--", "python", "-c", program).split() == ["0.6660", "0.1046", "0.1411"]


def test_wrong_variable_names_are_named(example) -> None:
    tickets = example("ticket-processor")
    program = "from ticket_processor.configuration import misnamed; print(*misnamed({'S3_RAW_BUCKET': 'x'}))"
    assert "S3_RAW_BUCKET is set, but this program reads S3_BUCKET_RAW" in tickets("run", "--", "python", "-c", program)
