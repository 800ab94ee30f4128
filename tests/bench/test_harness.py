"""The harness of the benchmarks, on recorded numbers: no test here depends on how fast anything is."""

import functools
import json
import types
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from benchmarks import harness, libraries, native, peers, scenarios
from benchmarks.harness import ContestantFailed
from benchmarks.report.jsonfile import report_json
from benchmarks.report.markdown import report_markdown
from benchmarks.report.svg import WIDTH, report_svg
from benchmarks.report.terminal import report_text, scenario_text
from benchmarks.report.wording import said
from benchmarks.results import Entry, Report, ScenarioResult, percentile, spread
from benchmarks.scenario import Contestant, Figures, Scenario, contestants, only_from
from benchmarks.targets import ABSOLUTE, FASTEST_PEER, TARGETS, Target
from benchmarks.verdicts import judge


def entry(label: str, *wall_ns: float, failure: str = "", library: str = "") -> Entry:
    role = Contestant(label, library or label, print).role
    return Entry(label, library or label, role, [{"wall_ns": each, "cpu_ns": each / 2} for each in wall_ns], failure)


def result_of(*entries: Entry, name: str = "yield_many") -> ScenarioResult:
    return ScenarioResult(
        name, "A title", "yield", "wall_ns", "Some notes.", 1_000, list(entries), {"tinyio": "cannot"}
    )


def report_of(*results: ScenarioResult) -> Report:
    machine = {
        "python": "CPython 3.11.7",
        "build": "with a GIL",
        "gil": True,
        "compiler": "GCC",
        "processor": "A processor",
        "cores": 2,
        "system": "Linux 6",
        "load_generator": "C, one thread, epoll",
        "libraries": {"trio": "0.35.0", "zuvloop": "not installed"},
    }
    return Report("2026-01-02 03:04", 3, False, machine, list(results))


RECORDED = result_of(
    entry("conc", 40, 44, 42),
    entry("asyncio", 100, 90, 110),
    entry("trio", 200, 210, 190),
    entry("C epoll", 10, 10, 10, library="C"),
    entry("zuvloop", failure="not installed"),
)


class TestStatistics:
    @pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (0, 1)])
    def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(self, percent: float, value: float) -> None:
        assert percentile(range(100, 0, -1), percent) == value

    def test_a_percentile_of_no_values_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no values"):
            percentile([], 50)

    def test_the_spread_is_the_distance_of_the_extremes_in_medians(self) -> None:
        assert spread([90, 100, 130]) == pytest.approx(0.4)
        assert spread([100]) == 0
        assert spread([-1, 0, 1]) == 0

    def test_an_entry_speaks_for_the_median_of_its_rounds(self) -> None:
        assert entry("conc", 40, 300, 42).median("wall_ns") == 42
        assert entry("conc").median("wall_ns") is None


class TestRanking:
    def test_the_fastest_peer_is_neither_conc_nor_a_limit_nor_one_that_failed(self) -> None:
        fastest = RECORDED.fastest_peer()

        assert fastest is not None
        assert fastest.label == "asyncio"

    def test_the_ratio_is_conc_over_the_other(self) -> None:
        assert RECORDED.ratio(RECORDED.entry("asyncio")) == pytest.approx(0.42)
        assert RECORDED.ratio(RECORDED.entry("asyncio"), "cpu_ns") == pytest.approx(0.42)

    def test_there_is_no_ratio_with_one_who_did_not_run_or_took_no_time(self) -> None:
        assert RECORDED.ratio(RECORDED.entry("zuvloop")) is None
        assert RECORDED.ratio(None) is None
        assert result_of(entry("conc", 1)).ratio(entry("trio", -5)) is None
        assert result_of(entry("conc", -1)).ratio(entry("trio", 5)) is None


class TestVerdicts:
    def verdict(self, target: Target, *entries: Entry) -> tuple[str, float | None, str]:
        (verdict,) = judge(report_of(result_of(*entries)), [target])
        return verdict.outcome, verdict.value, verdict.against or verdict.reason

    def test_a_target_is_reached_at_its_limit_and_missed_beyond(self) -> None:
        target = Target("yield_many", "wall_ns", FASTEST_PEER, 0.45)

        assert self.verdict(target, entry("conc", 45), entry("trio", 100)) == ("reached", 0.45, "trio")
        assert self.verdict(target, entry("conc", 46), entry("trio", 100)) == ("missed", 0.46, "trio")

    def test_a_target_against_a_named_contestant_ignores_faster_ones(self) -> None:
        target = Target("yield_many", "wall_ns", "trio", 0.5)

        assert self.verdict(target, entry("conc", 50), entry("uvloop", 10), entry("trio", 100))[0] == "reached"

    def test_an_absolute_target_needs_nobody_else(self) -> None:
        target = Target("yield_many", "wall_ns", ABSOLUTE, 50)

        assert self.verdict(target, entry("conc", 50)) == ("reached", 50, "")
        assert self.verdict(target, entry("conc", 51)) == ("missed", 51, "")

    def test_what_was_not_measured_says_why(self) -> None:
        target = Target("yield_many", "wall_ns", "trio", 0.5)
        conc_failed = self.verdict(target, entry("conc", failure="it broke"), entry("trio", 100))
        trio_failed = self.verdict(target, entry("conc", 50), entry("trio", failure="it hung"))

        assert conc_failed == ("not measured", None, "conc: it broke")
        assert trio_failed == ("not measured", None, "trio")
        assert self.verdict(target, entry("conc", 50))[2] == "trio did not take part"

    def test_targets_of_scenarios_that_did_not_run_are_left_out(self) -> None:
        assert judge(report_of(result_of(name="another"))) == []

    def test_every_target_names_a_scenario_and_a_contestant_that_exist(self) -> None:
        for target in TARGETS:
            scenario = scenarios.scenario(target.scenario)
            if target.against not in (FASTEST_PEER, ABSOLUTE):
                assert scenario.contestant(target.against).label == target.against


def scenario_for(*labels: str) -> Scenario:
    def measure(*_: object) -> Figures:
        raise AssertionError("the harness was given another way to measure")

    everyone = tuple(Contestant(label, label, print) for label in labels)
    return Scenario("some_work", "Some work", "step", 100, everyone, measure)


class TestRounds:
    def run(
        self, failing: Mapping[tuple[str, int], str], rounds: int = 3
    ) -> tuple[ScenarioResult, list[str], list[str]]:
        turns: list[str] = []
        told: list[str] = []

        def measure(scenario: Scenario, contestant: Contestant, size: int) -> tuple[Figures, bool]:
            turns.append(contestant.label)
            turn = turns.count(contestant.label)
            if (contestant.label, turn) in failing:
                raise ContestantFailed(failing[contestant.label, turn])
            return {"wall_ns": float(turn), "size": float(size)}, True

        scenario = scenario_for("conc", "asyncio", "C")
        (result,) = harness.run([scenario], rounds=rounds, quick=True, peers=[], tell=told.append, measure=measure)
        return result, turns, told

    def test_contestants_take_turns_and_each_round_starts_with_another(self) -> None:
        _, turns, told = self.run({})

        assert turns == ["conc", "asyncio", "C", "asyncio", "C", "conc", "C", "conc", "asyncio"]
        assert told[3] == "some_work: round 2 of 3, asyncio"

    def test_every_round_is_kept_and_a_quick_run_is_a_tenth(self) -> None:
        result, _, _ = self.run({})

        assert [run["wall_ns"] for run in result.entries[0].runs] == [1, 2, 3]
        assert result.size == 10
        assert result.entries[0].runs[0]["size"] == 10

    def test_who_fails_does_not_run_again_and_keeps_the_reason(self) -> None:
        result, turns, _ = self.run({("asyncio", 2): "it broke"})
        failed = result.entry("asyncio")

        assert failed is not None
        assert failed.failure == "it broke"
        assert len(failed.runs) == 1
        assert turns.count("asyncio") == 2

    def test_a_library_that_is_missing_is_listed_and_never_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        absent = libraries.Library("absent", print, ("a_module_that_nobody_has",), needs="another Python")
        monkeypatch.setitem(libraries.LIBRARIES, "absent", absent)

        def never(*_: object) -> tuple[Figures, bool]:
            raise AssertionError("it was started")

        (result,) = harness.run(
            [scenario_for("absent")], rounds=1, quick=False, peers=[], tell=lambda _: None, measure=never
        )

        assert result.entries[0].failure == "not installed (it needs another Python)"

    def test_a_choice_of_peers_keeps_conc_and_the_limits(self) -> None:
        everyone = scenario_for("conc", "asyncio", "trio", "C").contestants

        assert [each.label for each in only_from(["trio"], everyone)] == ["conc", "trio", "C"]
        assert only_from([], everyone) == everyone
        with pytest.raises(ValueError, match="unknown peers: torio"):
            only_from(["torio"], everyone)

    def test_the_last_line_that_says_something_is_the_reason(self) -> None:
        assert (
            harness.last_line("Traceback\n  + Exception Group\n  | ValueError: no\n  +-------\n\n") == "ValueError: no"
        )
        assert harness.last_line("") == ""


def functions_of(main: Callable[..., Any]) -> list[Any]:
    """A function, or those that a partial puts together."""
    if not isinstance(main, functools.partial):
        return [main]
    return [part for each in (main.func, *main.args) if callable(each) for part in functions_of(each)]


class TestScenarios:
    def test_names_are_unique_and_found_by_family_and_in_full(self) -> None:
        names = [each.name for each in scenarios.all_scenarios()]

        assert len(set(names)) == len(names)
        assert [each.name for each in scenarios.chosen(["timeout_scopes"])] == [
            "timeout_scopes_empty",
            "timeout_scopes_checkpoint",
        ]
        assert [each.name for each in scenarios.chosen(["startup", "tcp_echo_1k_1"])] == ["tcp_echo_1k_1", "startup"]
        with pytest.raises(ValueError, match="unknown scenarios: yield_few; known: yield_many"):
            scenarios.chosen(["yield_few"])

    @pytest.mark.parametrize("scenario", scenarios.all_scenarios(), ids=lambda scenario: scenario.name)
    def test_every_library_competes_or_is_excused(self, scenario: Scenario) -> None:
        competing = {each.library for each in scenario.contestants}

        assert "conc" in competing
        if competing != {"conc"}:  # one scenario is about conc alone
            guests = {library.name for library in libraries.LIBRARIES.values() if library.guest}
            families = {name.partition("+")[0] for name in libraries.LIBRARIES} - {"C"} - guests
            assert {name.partition("+")[0] for name in competing} - {"C"} - guests | set(scenario.excused) == families

    @pytest.mark.parametrize("scenario", scenarios.all_scenarios(), ids=lambda scenario: scenario.name)
    def test_every_worker_stands_at_module_level(self, scenario: Scenario) -> None:
        for function in (part for each in scenario.contestants for part in functions_of(each.main)):
            assert isinstance(function, types.FunctionType)
            assert function.__qualname__ == function.__name__, "a nested function costs more on free-threaded builds"

    def test_what_is_written_for_asyncio_runs_on_every_loop(self) -> None:
        assert [each.label for each in contestants({"asyncio": print, "anyio": print})] == [
            "asyncio",
            "uvloop",
            "rloop",
            "zuvloop",
            "anyio (asyncio)",
        ]

    def test_a_library_that_was_not_loaded_says_so_when_used(self) -> None:
        with pytest.raises(AttributeError, match=r"zuvloop.run was used in a process that did not load zuvloop"):
            peers.zuvloop.run  # noqa: B018


class TestReports:
    @pytest.mark.parametrize(
        ("figure", "value", "words"),
        [
            ("wall_ns", 412.4, "412 ns"),
            ("wall_ns", 1_280_000, "1.28 ms"),
            ("wall_ns", 0.5, "0 ns"),
            ("p99_beyond_ns", -55_000, "-55.00 µs"),
            ("task_bytes", 1_077, "1,077 B"),
            ("process_bytes", 812_400_000, "812 MB"),
            ("operations_per_s", 48_210.3, "48,210"),
            ("load_busy_share", 0.974, "97%"),
            ("wall_ns", None, "-"),
        ],
    )
    def test_a_value_is_said_in_a_unit_that_suits_it(self, figure: str, value: float | None, words: str) -> None:
        assert said(figure, value) == words

    def test_the_terminal_shows_best_first_and_who_did_not_run(self) -> None:
        lines = scenario_text(RECORDED).splitlines()

        assert [line.split()[0] for line in lines[2:6]] == ["C", "conc", "asyncio", "trio"]
        assert lines[6:] == ["  zuvloop: not installed", "  tinyio: cannot"]

    def test_the_final_table_has_ratio_and_targets(self) -> None:
        text = report_text(report_of(RECORDED))

        assert "asyncio       100 ns      0.42   0.42" in text
        assert "at most 0.45 of the fastest peer  0.42 (asyncio)  reached" in text
        assert "GIL on" in text

    def test_who_switched_the_gil_on_is_told(self) -> None:
        report = report_of(result_of(entry("conc", 1), entry("trio", 2)))
        report.machine["gil"] = False
        report.scenarios[0].entries[0].gil = False
        report.scenarios[0].entries[1].gil = True

        assert "the GIL was switched on by trio" in report_text(report)
        assert "switched on" not in report_text(report_of(RECORDED))

    def test_the_page_names_everyone_and_every_reason(self) -> None:
        page = report_markdown(report_of(RECORDED))

        for words in ("**conc**", "asyncio", "C epoll", "- zuvloop: not installed", "- tinyio: cannot", "**reached**"):
            assert words in page
        assert "trio 0.35.0" in page

    def test_the_json_can_be_read_back_whole(self) -> None:
        report = report_of(RECORDED)
        data = json.loads(report_json(report))

        assert Report.from_json(data["report"]) == report
        assert data["verdicts"][0]["outcome"] == "reached"

    def test_the_picture_is_well_formed_and_keeps_every_bar_within(self) -> None:
        picture = ET.fromstring(report_svg(report_of(RECORDED, result_of(entry("conc", 3), entry("a<b", 2e9)))))
        texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
        bars = list(picture.iter("{http://www.w3.org/2000/svg}rect"))

        assert {"conc", "asyncio", "trio", "C epoll", "did not run: zuvloop", "a<b", "2.00 s"} <= set(texts)
        assert "at most 0.45 of the fastest peer: 0.42 (asyncio), reached" in texts
        assert all(float(bar.get("x", "0")) + float(bar.get("width", "0")) <= WIDTH for bar in bars)

    def test_a_run_in_which_nothing_worked_still_has_every_report(self) -> None:
        report = report_of(result_of(entry("conc", failure="it broke")))

        assert "it broke" in report_text(report)
        assert "- conc: it broke" in report_markdown(report)
        assert ET.fromstring(report_svg(report)).tag.endswith("svg")


class TestProcesses:
    """Real ones, for a moment: what comes back is looked at, not how large it is."""

    def test_a_fresh_process_brings_back_figures(self) -> None:
        scenario = scenarios.scenario("yield_many")
        figures, gil = harness.measure_in_a_process(scenario, scenario.contestant("asyncio"), 1_000)

        assert figures.keys() == {"wall_ns", "cpu_ns"}
        assert gil == libraries.gil_is_on()

    def test_a_process_that_fails_tells_its_last_word(self) -> None:
        scenario = scenarios.scenario("startup")
        contestant = Contestant("nobody", "asyncio", print)

        with pytest.raises(ContestantFailed, match="nobody is called 'nobody' in startup"):
            harness.measure_in_a_process(scenario, contestant, 1)

    @pytest.mark.parametrize("label", ["asyncio streams", "C epoll"])
    def test_a_server_is_measured_under_load_from_c(self, label: str) -> None:
        try:
            native.build("load")
        except native.NoCompiler as error:
            pytest.skip(str(error))
        scenario = scenarios.scenario("tcp_echo_64k_1")
        figures, _ = harness.measure_in_a_process(scenario, scenario.contestant(label), 40)

        assert figures["operations_per_s"] > 0
        assert 0 < figures["p50_ns"] <= figures["p99_ns"]

    @pytest.mark.parametrize("name", ["tcp_echo_1k_50", "accept_close"])
    def test_a_server_is_measured_under_load_from_python_too(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CC", "no-such-compiler")
        scenario = scenarios.scenario(name)
        figures, _ = harness.measure_in_a_process(scenario, scenario.contestant("asyncio Protocol"), 100)

        assert figures["operations_per_s"] > 0
        assert figures["cpu_ns"] > 0
