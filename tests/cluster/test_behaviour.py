"""A pod of an environment behaves as a pod of an image of the same content: the table, row by row, on a real node."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from behaviour import Twins, twins
from behaviour_rows import DIFFERENCES, LAST, ROWS, Difference, Row
from running_cluster import RunningCluster

from breakbulk.store.removal import remove_tree

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def both(cluster: RunningCluster, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """All pods of the table, twice."""
    place = tmp_path_factory.mktemp("behaviour")
    made = twins(cluster, place, shared_cache)
    yield made
    made.remove()
    remove_tree(place)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_an_environment_behaves_as_an_image(both: Twins, row: Row) -> None:
    imageless, images = both.both(row.ask)
    assert imageless == images
    assert row.holds(imageless), imageless


@pytest.mark.parametrize("difference", DIFFERENCES, ids=str)
def test_what_differs_on_purpose(both: Twins, difference: Difference) -> None:
    assert both.both(difference.ask) == (difference.imageless, difference.images)


def test_the_end_of_a_pod_is_that_of_an_image(both: Twins) -> None:
    imageless, images = both.both(LAST.ask)
    assert imageless == images
    assert LAST.holds(imageless), imageless
