"""Proxies are those of the settings, as curl would take them from the environment."""

import pytest

from breakbulk.store.http_access import proxy_mounts


@pytest.mark.parametrize(
    ("environment", "mounts"),
    [
        ({}, {}),
        ({"https_proxy": "http://proxy:3128"}, {"https://": "http://proxy:3128"}),
        ({"HTTPS_PROXY": "http://other", "https_proxy": "http://proxy"}, {"https://": "http://proxy"}),
        ({"ALL_PROXY": "proxy:8080"}, {"all://": "http://proxy:8080"}),
        (
            {"http_proxy": "http://proxy", "no_proxy": "localhost, .intern"},
            {"http://": "http://proxy", "all://localhost": None, "all://*.intern": None},
        ),
        ({"http_proxy": "http://proxy", "NO_PROXY": "*"}, {}),
    ],
)
def test_proxies(environment, mounts):
    assert proxy_mounts(environment) == mounts
