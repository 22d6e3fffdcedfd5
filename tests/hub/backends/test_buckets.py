"""What is sent to the clouds: credentials from where their tools have them, and the condition that makes a hub one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from faulty_proxy import FaultyProxy, Request, Status, faulty_proxy

from breakbulk.errors import BreakbulkError, HubError, UsageError
from breakbulk.hub.backends import open_objects
from breakbulk.settings import Settings

CREATED = Status(200, headers=(("ETag", '"1"'), ("x-goog-generation", "1")))
KEY = {"AWS_ACCESS_KEY_ID": "ada", "AWS_SECRET_ACCESS_KEY": "HUSH"}
SAS = "sv=2024-01-01&ss=b&sig=HUSH"


@pytest.fixture
def cloud() -> Iterator[FaultyProxy]:
    """A server that answers every request with what the test says, success by default."""
    with faulty_proxy("http://127.0.0.1:1") as server:
        server.faults = lambda _request, _before: CREATED
        yield server


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Callable[..., Settings]:
    """Settings with these variables and no others."""

    def made(**variables: str) -> Settings:
        return replace(settings, retries=1, timeout_s=5.0, environment={"HOME": str(tmp_path), **variables})

    return made


def one_request(cloud: FaultyProxy, url: str, settings: Settings) -> Request:
    open_objects(url, settings).replace("a/b", b"x")
    (request,) = cloud.requests
    return request


def test_s3_is_signed_with_what_the_environment_says(cloud: FaultyProxy, own: Callable[..., Settings]) -> None:
    settings = own(**KEY, AWS_SESSION_TOKEN="session", AWS_REGION="eu-north-1", AWS_ENDPOINT_URL=cloud.url)
    request = one_request(cloud, "s3://team-hub/some/prefix", settings)
    assert (request.method, request.path) == ("PUT", "/team-hub/some/prefix/a/b")
    assert "Credential=ada/" in request.headers["authorization"]
    assert "/eu-north-1/s3/aws4_request" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "session"


def test_s3_with_keys_of_a_profile(cloud: FaultyProxy, own: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = other\naws_secret_access_key = HUSH\n"
        "[team]\naws_access_key_id = grace\naws_secret_access_key = HUSH\n"
    )
    (tmp_path / ".aws" / "config").write_text(f"[profile team]\nregion = eu-west-3\nendpoint_url = {cloud.url}\n")
    request = one_request(cloud, "s3://team-hub", own(AWS_PROFILE="team"))
    assert "Credential=grace/" in request.headers["authorization"]
    assert "/eu-west-3/" in request.headers["authorization"]


def test_s3_with_keys_of_the_environment_before_those_of_a_profile(
    cloud: FaultyProxy, own: Callable[..., Settings], tmp_path: Path
) -> None:
    credentials = tmp_path / "keys"
    credentials.write_text(
        "[default]\naws_access_key_id = other\naws_secret_access_key = x\naws_session_token = of-the-other\n"
    )
    settings = own(**KEY, AWS_SHARED_CREDENTIALS_FILE=str(credentials), AWS_ENDPOINT_URL=cloud.url)
    request = one_request(cloud, "s3://team-hub", settings)
    assert "Credential=ada/" in request.headers["authorization"]
    assert "x-amz-security-token" not in request.headers


@pytest.mark.parametrize("content", ["no section\n", "[default\n", "[default]\nkey", "\x00", "\N{SNOWMAN}"])
def test_files_that_are_none_of_amazons_are_no_obstacle(
    cloud: FaultyProxy, own: Callable[..., Settings], tmp_path: Path, content: str
) -> None:
    (tmp_path / "config").write_text(content)
    settings = own(**KEY, AWS_CONFIG_FILE=str(tmp_path / "config"), AWS_ENDPOINT_URL=cloud.url)
    assert "Credential=ada/" in one_request(cloud, "s3://team-hub", settings).headers["authorization"]


def created(cloud: FaultyProxy, url: str, settings: Settings) -> list[Request]:
    open_objects(url, settings).create("a/b", b"x")
    return cloud.requests


def test_google_is_asked_to_keep_the_first(cloud: FaultyProxy, own: Callable[..., Settings]) -> None:
    (request,) = created(cloud, "gs://team_hub/prefix", own(STORAGE_EMULATOR_HOST=cloud.url))
    assert unquote(request.path).endswith("team_hub/prefix/a/b")
    assert request.headers["x-goog-if-generation-match"] == "0"


def azure(cloud: FaultyProxy, own: Callable[..., Settings]) -> Settings:
    return own(
        AZURE_STORAGE_ACCOUNT_NAME="ada",
        AZURE_STORAGE_SAS_TOKEN=SAS,
        AZURE_STORAGE_ENDPOINT=f"{cloud.url}/ada",
    )


def test_azure_is_asked_to_keep_the_first(cloud: FaultyProxy, own: Callable[..., Settings]) -> None:
    (request,) = created(cloud, "az://container/prefix", azure(cloud, own))
    assert request.path.endswith("/container/prefix/a/b")
    assert request.headers["if-none-match"] == "*"
    assert "sig=HUSH" in request.query


def shown_by(action: Callable[[], object]) -> str:
    """Return all that the error of a call shows, nothing when there is none."""
    try:
        action()
    except BreakbulkError as error:
        return str(error) + repr(error.as_dict()) + repr(error.__cause__)
    return ""


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 416, 429, 500, 503])
def test_errors_show_no_secret(cloud: FaultyProxy, own: Callable[..., Settings], status: int) -> None:
    secret = b"<Error><Code>Strange</Code><Message>HUSH</Message></Error>"
    cloud.faults = lambda _request, _before: Status(status, secret)
    places = [
        ("az://container", azure(cloud, own)),
        ("s3://bucket", own(**KEY, AWS_ENDPOINT_URL=cloud.url)),
        ("gs://bucket", own(STORAGE_EMULATOR_HOST=cloud.url)),
    ]
    for url, settings in places:
        objects = open_objects(url, settings)
        for action in (
            lambda objects=objects: objects.get("a"),
            lambda objects=objects: objects.create("a", b"x"),
            lambda objects=objects: objects.replace("a", b"x"),
            lambda objects=objects: list(objects.list("")),
        ):
            shown = shown_by(action)
            assert "HUSH" not in shown
            assert url in shown or status in {404, 409, 412}  # to some calls these are answers, not errors


@pytest.mark.parametrize(
    ("url", "variables", "why"),
    [
        ("s3://bucket", {**KEY, "AWS_ENDPOINT_URL": "http://storage.example.org"}, "not encrypted"),
        ("s3://bucket", {**KEY, "AWS_ENDPOINT_URL": "storage.example.org"}, "no address"),
        ("s3://bucket", {**KEY, "AWS_ENDPOINT_URL": "https://ada:HUSH@storage.example.org"}, "holds credentials"),
        ("s3://bucket", {"AWS_ACCESS_KEY_ID": "ada"}, "SecretAccessKey"),
        ("s3://bucket", {**KEY, "AWS_CA_BUNDLE": "/nowhere/at/all.pem"}, "No such file"),
        ("az://container", {}, "Account"),
        ("gs://bucket", {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/at/all.json"}, "No such file"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_asked(
    own: Callable[..., Settings], url: str, variables: dict[str, str], why: str
) -> None:
    with pytest.raises(UsageError) as raised:
        open_objects(url, own(**variables))
    assert raised.value.reference == "hub-address-invalid"
    assert why in (raised.value.why or "")
    assert "HUSH" not in str(raised.value)


def test_an_endpoint_elsewhere_without_tls_is_for_those_who_say_so(own: Callable[..., Settings]) -> None:
    settings = own(**KEY, AWS_ENDPOINT_URL="http://storage.example.org", AWS_ALLOW_HTTP="true")
    assert open_objects("s3://bucket", settings).url == "s3://bucket"


def test_no_credentials_at_all(own: Callable[..., Settings], cloud: FaultyProxy) -> None:
    cloud.faults = lambda _request, _before: Status(404)
    settings = own(AWS_ENDPOINT_URL=cloud.url, AWS_EC2_METADATA_SERVICE_ENDPOINT=cloud.url)
    with pytest.raises(HubError) as raised:
        open_objects("s3://bucket", settings).get("a")
    assert raised.value.reference == "hub-denied"
    assert "credentials" in (raised.value.why or "")
