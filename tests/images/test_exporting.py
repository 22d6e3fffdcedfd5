"""What an image is made of: the packages of an environment, in whatever layers it is mounted."""

from pathlib import Path

from machines import Machine

from breakbulk.images.exporting import Exported, imaged
from breakbulk.store.bundle import bundled
from breakbulk.store.layout import Layout


def test_an_environment_that_is_mounted_in_bundles_is_the_same_image(tmp_path: Path, settings) -> None:
    machine = Machine(tmp_path / "here", settings)
    environment = machine.open(machine.project())
    realised = environment.realise()
    lock = environment.read_lock()

    def digests(lowers: tuple[Path, ...]) -> list[str]:
        exported = Exported(
            name="tool",
            reference="tool",
            lock=lock,
            manifest=environment.manifest,
            system="x86_64-linux",
            lowers=lowers,
            base=realised.base,
        )
        with imaged(exported, machine.settings) as image:
            return [layer.digest for layer in image.layers]

    few = bundled(Layout(machine.settings.store), realised.lowers, most=1)
    assert len(few) == 1 < len(realised.lowers)
    assert digests(few) == digests(realised.lowers)
