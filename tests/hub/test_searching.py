import pytest
from changes import TIME

from breakbulk.hub.records import Summary
from breakbulk.hub.searching import search


def summary(environment: str, *installs: str, message: str = "", author: str = "carol") -> Summary:
    return Summary(
        environment=environment,
        change=1,
        generation=1,
        generations=1,
        digest="sha256:" + "0" * 64,
        time=TIME,
        author=author,
        message=message,
        installs=installs,
    )


ALL = (
    summary("ada/airflow", "apache-airflow", "postgresql", message="Airflow 3.1.1"),
    summary("ada/tickets", "flask", "PyYAML", message="for the desk"),
    summary("bob/airflow-dev", "apache-airflow"),
    summary("bob/desk", "airflow", author="Bob"),
    summary("data/my-airflow", "jq"),
    summary("ml/torch", "torch", message="airflow can call it"),
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], [one.environment for one in ALL]),
        (
            ["airflow"],
            ["ada/airflow", "bob/airflow-dev", "data/my-airflow", "bob/desk", "ml/torch"],
        ),
        (["AIRFLOW", "ada"], ["ada/airflow"]),
        (["ada/airflow"], ["ada/airflow"]),
        (["pyyaml"], ["ada/tickets"]),
        (["desk"], ["bob/desk", "ada/tickets"]),
        (["3.1.1"], ["ada/airflow"]),
        (["bob"], ["bob/airflow-dev", "bob/desk"]),
        (["airflow", "nowhere"], []),
        (["x" * 10_000], []),
    ],
)
def test_every_word_must_match_and_names_come_first(words: list[str], found: list[str]) -> None:
    assert [one.environment for one in search(ALL, words)] == found
