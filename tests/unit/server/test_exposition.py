"""The Prometheus text format, and its bounds."""

from executor.server.exposition import MAX_LABEL, MAX_SERIES, Counters, Histograms, gauge_lines, labels


def test_a_counter_counts_by_labels():
    counters = Counters("executor_fills_total", "Fills.")
    for account in ("main", "main", "two"):
        counters.add(labels(account=account, reason=""))
    assert list(counters.lines()) == [
        "# HELP executor_fills_total Fills.",
        "# TYPE executor_fills_total counter",
        'executor_fills_total{account="main"} 2',
        'executor_fills_total{account="two"} 1',
    ]


def test_a_histogram_is_cumulative_and_in_seconds():
    histograms = Histograms("executor_x_seconds", "X.")
    for duration_ms in (0, 1, 3, 1500, 99_000, -5):
        histograms.observe((), duration_ms)
    lines = list(histograms.lines())
    assert 'executor_x_seconds_bucket{le="0.001"} 3' in lines
    assert 'executor_x_seconds_bucket{le="0.005"} 4' in lines
    assert 'executor_x_seconds_bucket{le="2"} 5' in lines
    assert 'executor_x_seconds_bucket{le="30"} 5' in lines
    assert 'executor_x_seconds_bucket{le="+Inf"} 6' in lines
    assert lines[-2:] == ["executor_x_seconds_sum 100.504", "executor_x_seconds_count 6"]


def test_a_value_on_a_bound_belongs_below_it():
    histograms = Histograms("executor_x_seconds", "X.")
    histograms.observe((), 10)
    lines = list(histograms.lines())
    assert 'executor_x_seconds_bucket{le="0.005"} 0' in lines
    assert 'executor_x_seconds_bucket{le="0.01"} 1' in lines


def test_label_values_cannot_break_out_of_their_line():
    (line,) = list(gauge_lines("g", "G.", [(labels(symbol='a"} 1\nb\\\ud800'), 1)]))[2:]
    assert line == 'g{symbol="a\\"} 1\\nb\\\\?"} 1'


def test_nobody_can_fill_the_memory_by_inventing_names():
    counters = Counters("c", "C.")
    for number in range(10 * MAX_SERIES):
        counters.add(labels(symbol=f"S{number}"))
    lines = list(counters.lines())[2:]
    assert len(lines) == MAX_SERIES + 1
    assert lines[-1] == f'c{{symbol="other"}} {9 * MAX_SERIES}'
    assert labels(symbol="x" * 999) == (("symbol", "x" * MAX_LABEL),)
