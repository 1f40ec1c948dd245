"""Tests of suite/ and plot.py: the arithmetic of the tables: medians, ratios, and when a target counts as met."""
import unittest
import xml.etree.ElementTree as xml

from plot import Axes, Line, Panel, round_step, svg
from suite import work
from suite.figures import Results
from suite.pairs import interval, table_of, works
from suite.servers import Server
from suite.table import number, peer_table, table
from suite.targets import TARGETS, at_least, at_most


def results_of(*figures):
    results = Results()
    for name, value in figures:
        results.add(name, f"measure of {name}", "unit", value)
    return results


class Targets(unittest.TestCase):
    def test_floor_is_met_from_its_value_on(self):
        self.assertTrue(at_least(13).is_met(13))
        self.assertFalse(at_least(13).is_met(12.99))

    def test_roof_is_met_up_to_its_value(self):
        self.assertTrue(at_most(0.58).is_met(0.58))
        self.assertFalse(at_most(0.58).is_met(0.59))

    def test_share_is_above_one_exactly_when_there_is_room(self):
        self.assertEqual(at_least(10).share(20), 2)
        self.assertEqual(at_most(10).share(20), 0.5)

    def test_every_target_belongs_to_a_figure_that_is_measured(self):
        names = {item.name for kind in (work.transfers(1), work.requests(1), work.busy_requests(1, ()),
                                         work.handshakes(1, True)) for item in kind}
        names |= {"idle_1000", "idle_10000", "idle_100000", "idle_after_work_1000", "growth_bursts", "growth_steady",
                  "growth_single"}
        self.assertEqual({name.partition(".")[0] for name in TARGETS} - names, set())


class Pairs(unittest.TestCase):
    def test_the_interval_leaves_out_as_many_at_each_end_as_chance_allows(self):
        self.assertEqual(interval(range(32)), (9, 22))
        self.assertEqual(interval(range(31, -1, -1)), (9, 22))

    def test_few_ratios_are_all_in_the_interval(self):
        self.assertEqual(interval([2, 1, 3]), (1, 3))
        self.assertEqual(interval([1]), (1, 1))

    def test_the_table_has_the_median_of_the_ratios(self):
        self.assertIn("1.010", table_of({"up": [1.0, 1.01, 9.0]}))

    def test_what_is_compared_is_what_run_measures_with_less_work(self):
        self.assertLessEqual({"up", "down_connections16", "requests_16x64", "handshakes_16"}, set(works()))


class Figures(unittest.TestCase):
    def test_the_median_decides_and_not_the_best_run(self):
        results = results_of(("down.rate", 14), ("down.rate", 12), ("down.rate", 12.5))
        self.assertEqual(results.figures["down.rate"].median, 12.5)
        self.assertEqual(results.figures["down.rate"].verdict, "missed")

    def test_a_figure_without_a_target_has_no_verdict(self):
        self.assertEqual(results_of(("other.rate", 1)).figures["other.rate"].verdict, "")

    def test_the_ratio_to_the_ceiling_is_that_of_the_medians(self):
        results = results_of(("ceiling_gnutls.rate", 10), ("ceiling_gnutls.rate", 20))
        results.add("down.rate", "one stream down", "Gbit/s", 12, "rate")
        self.assertEqual(results.to_ceiling(results.figures["down.rate"]), 0.8)

    def test_the_ceiling_is_that_of_the_faster_library(self):
        results = results_of(("ceiling_gnutls.rate", 15), ("ceiling_ipsec_mb.rate", 24))
        results.add("down.rate", "one stream down", "Gbit/s", 12, "rate")
        self.assertEqual(results.to_ceiling(results.figures["down.rate"]), 0.5)

    def test_only_one_request_at_a_time_that_sleeps_is_set_against_the_bare_round_trip(self):
        results = results_of(("ceiling_round_trip.p50", 50), ("ceiling_round_trip.answering", 30))
        report = {"requests_per_second": 10_000, "server_cpu_seconds": 1, "p50_us": 60, "p99_us": 100}
        for item in (*work.requests(1), *work.busy_requests(1, ())):
            work.record(results, item, report)
        ratios = {name: ratio for name, figure in results.figures.items()
                  if (ratio := results.to_ceiling(figure)) is not None}
        self.assertEqual(set(ratios), {"requests_1x1.cpu", "requests_1x1.p50"})
        self.assertEqual(ratios["requests_1x1.p50"], 1.2)

    def test_there_is_no_ratio_to_a_ceiling_that_was_not_measured(self):
        results = Results()
        results.add("down.rate", "one stream down", "Gbit/s", 12, "rate")
        self.assertNotIn("to_ceiling", results.as_json()["figures"][0])

    def test_json_says_what_the_table_says(self):
        row = results_of(("down.cpu", 0.5), ("down.cpu", 0.7)).as_json()["figures"][0]
        self.assertEqual((row["median"], row["min"], row["max"], row["verdict"]), (0.6, 0.5, 0.7, "missed"))
        self.assertEqual(row["target"], {"at_most": 0.58})


class Work(unittest.TestCase):
    def test_server_cpu_is_divided_by_the_units_of_work(self):
        results = Results()
        item = work.Work("down", "one stream down", (), "GiB", 2, "sender")
        work.record(results, item, {"gbit_per_second": 9, "server_cpu_seconds": 1})
        self.assertEqual(results.median("down.cpu"), 0.5)

    def test_a_transfer_moves_the_same_bytes_whatever_its_shape(self):
        for item in work.transfers(1):
            flags = dict(zip(item.flags[::2], item.flags[1::2]))
            size = int(flags.get("--download") or flags["--upload"])
            self.assertEqual(size * int(flags["--connections"]), item.units * work.GIB, item.name)


class Servers(unittest.TestCase):
    def test_a_program_that_does_not_become_a_server_is_ended(self):
        server = Server(["sh", "-c", "echo no port; exec sleep 60"])
        with self.assertRaises(ValueError), server:
            self.fail("it has no port")
        self.assertIsNotNone(server.process.returncode)


class Tables(unittest.TestCase):
    def test_numbers_keep_three_digits(self):
        self.assertEqual([number(value) for value in (0.5812, 14.07, 27.63, 377_666.4)],
                         ["0.58", "14.07", "27.6", "377,666"])

    def test_figures_of_one_measure_stand_together(self):
        results = Results()
        for name, measure in (("a.rate", "A"), ("b.rate", "B"), ("a.cpu", "A")):
            results.add(name, measure, name, 1)
        self.assertEqual([line.split()[-2] for line in table(results).splitlines()[1:]], ["a.rate", "a.cpu", "b.rate"])

    def test_notices_follow_the_figures(self):
        results = results_of(("down.rate", 1))
        results.notices.append("resumed handshakes")
        self.assertEqual(table(results).splitlines()[-1], "not measured: resumed handshakes")

    def test_peers_are_compared_where_both_were_measured(self):
        results = results_of(("knul/down.rate", 12), ("deno/down.rate", 4), ("knul/up.rate", 12))
        lines = peer_table(results, "knul", "deno").splitlines()
        self.assertEqual(len(lines), 2)
        self.assertEqual(lines[1].split()[-3:], ["12.00", "4.00", "3.00"])


class Plot(unittest.TestCase):
    def test_axis_marks_are_round_and_few(self):
        for top in (0.07, 1, 7.2, 99, 4_321):
            self.assertTrue(3 <= top / round_step(top) <= 8, top)

    def test_the_highest_value_is_inside(self):
        axes = Axes(Panel("", "", [Line("", [(1, 3.9), (10_000, 20.1)])]))
        self.assertGreater(axes.top, 20.1)
        self.assertLess(axes.x(1), axes.x(10_000))

    def test_shows_every_measured_point_once(self):
        figures = [{"name": f"growth_{count}", "connections": count, "median": 2.5, "series": "bursts", "workers": 1}
                   for count in (1, 10, 100)]
        drawn = xml.fromstring(svg({"figures": figures}))
        self.assertEqual(len(drawn.findall(".//{*}circle")), 3)

    def test_is_nothing_without_growth_or_memory(self):
        self.assertIsNone(svg(results_of(("down.rate", 1)).as_json()))


if __name__ == "__main__":
    unittest.main()
