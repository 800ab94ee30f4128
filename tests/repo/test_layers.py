"""The layers of the house, and that the rule sees what it should."""

import pytest

from tests.repo.layers import circles, layer_of, private_imports, upward_imports
from tests.repo.sources import Source, assert_holds, planted, read_folder


def test_imports_of_conc_go_down_only() -> None:
    assert_holds(upward_imports(read_folder("conc")))


def test_imports_of_conc_form_no_circle() -> None:
    assert_holds(circles(read_folder("conc")))


def test_imports_of_conc_testing_form_no_circle() -> None:
    assert_holds(circles(read_folder("conc_testing")))


@pytest.mark.parametrize("folder", ["conc_testing", "examples"])
def test_those_who_build_on_conc_import_only_its_public_names(folder: str) -> None:
    assert_holds(private_imports(read_folder(folder), [source.module for source in read_folder("conc")]))


@pytest.mark.parametrize(
    ("importer", "statement", "named"),
    [
        ("conc._kernel.task", "import conc.sync.event", "conc.sync lies above conc._kernel"),
        ("conc._kernel.task", "from conc.sync import Event", "conc.sync lies above conc._kernel"),
        ("conc.sync.event", "from conc import net", "conc.net lies above conc.sync"),
        ("conc.sync.event", "from conc import run", "conc lies above conc.sync"),
        ("conc.sync.event", "from ..channels import mpsc", "conc.channels lies above conc.sync"),
        ("conc.sync.event", "def late():\n    import conc.net", "conc.net lies above conc.sync"),
        ("conc.sync.event", "if TYPE_CHECKING:\n    import conc.net", "conc.net lies above conc.sync"),
        ("conc.errors", "from conc._os import clocks", "conc._os lies above conc.errors"),
        ("conc.net", "import conc_testing.clock", "conc knows nothing of conc_testing"),
        ("conc.sync.event", "import conc.extras", "belongs to no layer"),
        ("conc.extras", "", "belongs to no layer"),
    ],
)
def test_an_upward_import_is_named(importer: str, statement: str, named: str) -> None:
    house = [planted("conc.net.__init__", ""), planted(importer, statement)]

    (message,) = upward_imports(house)

    assert named in message


def test_downward_imports_are_no_violation() -> None:
    house = [
        planted("conc._kernel.task", "from conc import errors\nfrom conc._os.clocks import monotonic\nimport outcome"),
        planted("conc.errors", ""),
    ]

    assert list(upward_imports(house)) == []


def test_only_the_facade_itself_lies_in_the_top_layer() -> None:
    assert layer_of("conc") == "conc"
    assert layer_of("conc.sync") == layer_of("conc.sync.event") == "conc.sync"
    assert layer_of("conc.synchronous") is None


@pytest.mark.parametrize(
    "back",
    ["from conc.io.buffer import B", "from conc.io import buffer", "def late():\n    import conc.io.buffer"],
)
def test_a_circle_is_shown_in_order(back: str) -> None:
    house = [planted("conc.io.stream", back), planted("conc.io.buffer", "from conc.io.stream import S")]

    (message,) = circles(house)

    assert "conc.io.stream -> conc.io.buffer" in message


def test_types_may_look_upward_within_the_kernel_only() -> None:
    def house(layer: str) -> list[Source]:
        upward = f"if TYPE_CHECKING:\n    from {layer}.task import Task"
        return [planted(f"{layer}.scope", upward), planted(f"{layer}.task", f"from {layer}.scope import Scope")]

    assert list(circles(house("conc._kernel"))) == []
    assert len(list(circles(house("conc.net")))) == 1


@pytest.mark.parametrize("statement", ["from conc._kernel import task", "from conc.io import _pump", "import conc._os"])
def test_a_private_import_from_outside_is_named(statement: str) -> None:
    (message,) = private_imports([planted("conc_testing.clock", statement)], ["conc.io"])

    assert "is private" in message


def test_a_public_import_from_outside_is_no_violation() -> None:
    text = "import conc\nfrom conc.lowlevel import Clock\nfrom conc_testing import _own"
    outside = planted("conc_testing.clock", text)

    assert list(private_imports([outside], ["conc", "conc.lowlevel"])) == []


def test_a_missing_package_is_an_error_and_not_a_pass() -> None:
    with pytest.raises(FileNotFoundError, match="no_such_package"):
        read_folder("no_such_package")
