"""Metrics and health over real HTTP."""

import urllib.error
import urllib.request

import pytest

from breakbulk.errors import ServiceError
from breakbulk.node.agent.metrics import Metrics
from breakbulk.node.agent.metrics_page import serving_metrics


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_pages() -> None:
    metrics = Metrics("1.2.3")
    metrics.realisations.labels("done").inc()
    why: list[str | None] = ["the pods are not known yet"]
    with serving_metrics(("127.0.0.1", 0), metrics.text, lambda: why[0]) as port:
        assert page(port, "/healthz") == (200, "ok\n")
        assert page(port, "/readyz") == (503, "the pods are not known yet\n")
        why[0] = None
        assert page(port, "/readyz")[0] == 200
        text = page(port, "/metrics")[1]
        assert 'breakbulk_node_realisations_total{outcome="done"} 1.0' in text
        assert 'breakbulk_node_info{version="1.2.3"} 1.0' in text
        assert page(port, "/etc/passwd")[0] == 404
        with pytest.raises(ServiceError) as taken, serving_metrics(("127.0.0.1", port), metrics.text, lambda: None):
            pass
        assert taken.value.reference == "metrics-address-taken"


def test_no_address_is_no_server() -> None:
    with serving_metrics(None, Metrics("1").text, lambda: None) as port:
        assert port == 0
