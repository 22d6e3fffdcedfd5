"""Dockerfiles become manifests that say the same, and a report of what they could not."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakbulk.errors import BreakbulkError, ManifestError
from breakbulk.importing.dockerfile import from_dockerfile
from breakbulk.importing.report import Imported
from breakbulk.manifest.reading import parse_manifest, to_builtins
from breakbulk.manifest.variables import expand


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A project: requirements, a package, a few files."""
    (tmp_path / "requirements.txt").write_text("flask>=3\nrequests==2.32.3\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    (tmp_path / "main.py").touch()
    (tmp_path / "config.ini").touch()
    return tmp_path


def imported(context: Path, text: str, name: str | None = "web") -> Imported:
    (context / "Dockerfile").write_text(text)
    return from_dockerfile(context / "Dockerfile", into=context, name=name)


def values(context: Path, text: str) -> dict[str, Any]:
    return to_builtins(parse_manifest(imported(context, text).text, "m"))


def remarks(context: Path, text: str, fate: str) -> list[tuple[int | None, str]]:
    return [(each.line, each.source) for each in imported(context, text).remarks if each.fate == fate]


WHOLE = """\
ARG PY=3.11
FROM python:${PY}-slim-bookworm AS builder
RUN apt-get update && apt-get install -y build-essential
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache pip install --no-cache-dir -r requirements.txt

FROM python:${PY}-slim-bookworm
ARG VERSION=23
ENV APP_HOME=/app \\
    VERSION=$VERSION PRICE='5$' \\
    PATH="/app/bin:$PATH"
RUN apt-get update \\
 && apt-get install -y --no-install-recommends libpq5=15.* curl/bookworm-backports \\
 && rm -rf /var/lib/apt/lists/*
RUN useradd -m app
WORKDIR $APP_HOME
COPY --from=builder /usr/local/lib/python3.11/site-packages /usr/local/lib/python3.11/site-packages
COPY src ./src
COPY main.py config.ini ./
RUN <<SCRIPT
pip install 'uvicorn[standard]>=0.30' "gunicorn==$VERSION"
SCRIPT
USER app
EXPOSE 8000
HEALTHCHECK --interval=5s --start-period=1m30s CMD curl -f http://localhost:8000/ || exit 1
ENTRYPOINT ["python"]
CMD ["main.py", "--port", "8000"]
"""


def test_a_whole_dockerfile(context: Path) -> None:
    assert values(context, WHOLE) == {
        "install": {
            "python3": {"deb": "python3"},
            "libpq5": {"deb": "libpq5", "version": "15.*"},
            "curl": {"deb": "curl", "suite": "bookworm-backports"},
            "flask": {"pypi": "flask>=3"},
            "requests": {"pypi": "requests==2.32.3"},
            "uvicorn": {"pypi": "uvicorn[standard]>=0.30"},
            "gunicorn": {"pypi": "gunicorn==23"},
            "src": {"path": "./src", "destination": "/app/src"},
            "app": {"path": ".", "destination": "/app", "exclude": ["*", "!/main.py", "!/config.ini"]},
        },
        "vars": {"APP_HOME": "/app", "VERSION": "23", "PRICE": "5\\$", "PATH": "/app/bin:$PATH"},
        "services": {
            "web": {
                "command": "cd /app && exec python main.py --port 8000",
                "ready": {
                    "command": "curl -f http://localhost:8000/ || exit 1",
                    "interval-s": 5.0,
                    "timeout-s": 105.0,
                },
            }
        },
        "options": {"systems": ["x86_64-linux", "aarch64-linux"], "suite": "bookworm"},
        "containerize": {
            "config": {
                "user": "app",
                "exposed-ports": ["8000/tcp"],
                "cmd": ["python", "main.py", "--port", "8000"],
                "working-dir": "/app",
            }
        },
    }


def test_what_is_left_stands_in_the_report_and_in_the_manifest(context: Path) -> None:
    found = imported(context, WHOLE)
    left = [(each.line, each.source) for each in found.of("left")]
    assert left == [(3, "apt-get install -y build-essential"), (15, "RUN useradd -m app")]
    assert "# line 15, RUN useradd -m app: only a build could run it" in found.text
    assert {each.line for each in found.of("approximated")} == {17, None}


def test_variables_have_the_values_they_have_in_the_image(context: Path) -> None:
    found = values(
        context, "FROM debian:12\nENV A=1\nENV B=$A-x C='$A' D='`id` \\ $'\nENV PATH=/x:$PATH\nENV PATH=/y:$PATH"
    )
    assert expand(found["vars"], {"PATH": "/bin"}) == {
        "A": "1", "B": "1-x", "C": "$A", "D": "`id` \\ $", "PATH": "/y:/x:/bin",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("base", "suite", "fate"),
    [
        ("debian:bookworm-slim", "bookworm", "taken"),
        ("debian:13", "trixie", "taken"),
        ("docker.io/library/python:3.13-slim", "trixie", "taken"),
        ("python:3.11", "bookworm", "taken"),
        ("python:3.12-slim-bookworm", "bookworm", "approximated"),
        ("python:3.13-slim-bookworm", "trixie", "approximated"),
        ("python@sha256:" + "0" * 64, "trixie", "taken"),
        ("ubuntu:22.04", "bookworm", "approximated"),
        ("node:20-bookworm", "bookworm", "approximated"),
        ("localhost:5000/team/app:1", "bookworm", "left"),
        ("alpine:3", "bookworm", "left"),
    ],
)
def test_bases(context: Path, base: str, suite: str, fate: str) -> None:
    found = imported(context, f"FROM --platform=linux/amd64 {base}")
    assert parse_manifest(found.text, "m").options.suite == suite
    assert [(each.fate, each.line) for each in found.remarks] == [(fate, 1)]


@pytest.mark.parametrize(
    ("run", "install"),
    [
        ("apt-get -qq install -y -t bookworm-backports jq", {"jq": {"deb": "jq", "suite": "bookworm-backports"}}),
        ("DEBIAN_FRONTEND=noninteractive apt install jq:amd64 git=1:2.39.*",
         {"jq": {"deb": "jq"}, "git": {"deb": "git", "version": "1:2.39.*"}}),
        ("P='jq git' && apt-get install $P", {"jq": {"deb": "jq"}, "git": {"deb": "git"}}),
        ("sudo -E apt-get install jq; pip3 install --index-url https://u:p@x/ rich", {"rich": {"pypi": "rich"}}),
        ("python3 -m pip install -U pip setuptools rich~=13.0", {"rich": {"pypi": "rich~=13.0"}}),
        ("uv pip install --system --python 3.11 rich", {"rich": {"pypi": "rich"}}),
        ("pip install rich==1 && pip install rich==1", {"rich": {"pypi": "rich==1"}}),
        ("pip install git+https://example.org/x.git@v1", {"x": {"git": "https://example.org/x.git", "rev": "v1"}}),
    ],
)  # fmt: skip
def test_package_managers(context: Path, run: str, install: dict[str, Any]) -> None:
    found = values(context, f"FROM debian:12\nRUN {run}")["install"]
    assert found in (install, {"jq": {"deb": "jq"}, **install})


def test_the_list_form_of_run_is_no_script(context: Path) -> None:
    found = values(context, 'FROM debian:12\nRUN ["apt-get", "install", "jq"]')
    assert found["install"] == {"jq": {"deb": "jq"}}


@pytest.mark.parametrize(
    "text",
    [
        "WORKDIR /app\nCOPY requirements.txt /tmp/r.txt\nRUN pip install -r /tmp/r.txt",
        "RUN --mount=type=bind,source=requirements.txt,target=/r.txt pip install --requirement=/r.txt",
        "WORKDIR /app\nCOPY . .\nRUN cd /app && pip install -rrequirements.txt",
        "WORKDIR /app\nCOPY requirements*.txt ./\nRUN pip install -r requirements.txt",
    ],
)
def test_requirements_are_found_where_they_were_copied_to(context: Path, text: str) -> None:
    found = values(context, f"FROM python:3.11\n{text}")["install"]
    assert (found["flask"], found["requests"]) == ({"pypi": "flask>=3"}, {"pypi": "requests==2.32.3"})


@pytest.mark.parametrize("run", ["pip install .", "uv sync --frozen", "poetry install --no-root", "pip install -e ./"])
def test_a_project_is_installed_with_what_it_needs(context: Path, run: str) -> None:
    (context / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\n")
    found = values(
        context, f"FROM python:3.11\nWORKDIR /app\nCOPY pyproject.toml uv.loc[k] ./\nRUN {run}\nCOPY src src/"
    )
    assert {"path": "."} in found["install"].values()
    assert {"path": "./src", "destination": "/app/src"} in found["install"].values()
    assert len(found["install"]) == 3


def test_what_docker_ignores_is_left_out(context: Path) -> None:
    (context / ".dockerignore").write_text("# x\nnode_modules\n**/*.pyc\n!keep/\n.\n")
    found = values(context, "FROM debian:12\nCOPY . /srv")
    assert found["install"]["srv"] == {
        "path": ".", "destination": "/srv", "exclude": ["/node_modules", "**/*.pyc", "!/keep"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "RUN if true; then pip install x; fi",
        "RUN apt-get install $(cat list)",
        "RUN pip install -r missing.txt",
        "RUN echo 'open",
        "RUN ./configure",
        "COPY nothing /x",
        "COPY ../outside /x",
        "COPY main.py /usr/bin/other",
        "COPY <<EOF /etc/x\nEOF",
        "COPY --from=example.org/other /x /y",
        "ADD https://example.org/x.tar.gz /x",
        "COPY src /proc/x",
        "ONBUILD RUN x",
        "ENV 1x=2",
        "NONSENSE here",
    ],
)
def test_what_cannot_be_taken_is_reported_with_its_line(context: Path, line: str) -> None:
    assert 2 in {number for number, _ in remarks(context, f"FROM debian:12\n{line}\n", "left")} or "ENV" in line
    assert remarks(context, f"FROM debian:12\n{line}\n", "left")


def test_stages_build_on_each_other_and_only_the_last_one_counts(context: Path) -> None:
    text = "FROM debian:12 AS base\nENV A=1\nFROM debian:13 AS other\nENV B=1\nFROM base\nENV C=$A\nCMD echo $C"
    found = values(context, text)
    assert found["vars"] == {"A": "1", "C": "1"}
    assert found["options"]["suite"] == "bookworm"
    assert found["containerize"]["config"]["cmd"] == ["/bin/sh", "-c", "echo $C"]


def test_no_password_gets_into_manifest_or_report(context: Path) -> None:
    found = imported(
        context, "FROM debian:12\nRUN pip install -i https://me:secret@x/ a && curl https://me:secret@y/\n"
    )
    assert "secret" not in found.text + str(found.remarks)


def test_a_file_without_from_is_refused(context: Path) -> None:
    with pytest.raises(ManifestError, match="import-no-stage"):
        imported(context, "RUN x\n")


word = st.sampled_from(
    ["FROM", "debian:12", "RUN", "pip", "install", "apt-get", "-r", ".", "..", "COPY", "/", "ENV", "A=$A", "${A", "a=b",
     "&&", ";", "'", '"', "\\\n", "\n", "\n", "WORKDIR", "CMD", '["x"]', "[", "EXPOSE", "99999999", "--from=0", "ARG",
     "<<E", "\nE\n", "USER", "LABEL", "HEALTHCHECK", "CMD", "-e", "./x", "x[y", "http://[", "AS", "\x00", "\x7f", "é"]
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.lists(word, max_size=30).map(" ".join), st.text(alphabet=string.printable, max_size=60)))
def test_any_text_gives_a_valid_manifest_or_an_error_of_ours(context: Path, text: str) -> None:
    try:
        found = imported(context, f"FROM debian:12\n{text}", None)
    except BreakbulkError:
        return
    parse_manifest(found.text, "m")
