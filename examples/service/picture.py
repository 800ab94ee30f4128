"""A picture of a run as SVG: how long the requests took, and how many tasks there were over time."""

from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 900, 300, 60
BARS = 60


def draw(latencies: Sequence[float], tasks: Sequence[tuple[float, int]]) -> str:
    """The two charts, one above the other."""
    charts = [
        panel(0, "How long requests took", "milliseconds", histogram(latencies)),
        panel(HEIGHT + MARGIN, "Tasks alive", "seconds", time_line(tasks)),
    ]
    height = 2 * (HEIGHT + MARGIN) + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * MARGIN} {height}" '
        'font-family="sans-serif" font-size="14">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{"".join(charts)}</svg>\n'
    )


Chart = tuple[str, float, float]
"""The shapes, in a box from (0, 0) to (WIDTH, HEIGHT - MARGIN), and what the ends of the two axes stand for."""


def histogram(latencies: Sequence[float]) -> Chart:
    """One bar per class of latency; the slowest hundredth is left out, or the others would be one bar."""
    ordered = sorted(latencies)
    shown = ordered[: max(1, len(ordered) * 99 // 100)]
    longest = max(shown, default=0.0) or 1e-9
    counts = [0] * BARS
    for latency in shown:
        counts[min(BARS - 1, int(latency / longest * BARS))] += 1
    most = max(counts) or 1
    width, floor = WIDTH / BARS, HEIGHT - MARGIN
    bars = [
        f'<rect x="{number * width:.1f}" y="{floor - count / most * floor:.1f}" width="{width - 1:.1f}" '
        f'height="{count / most * floor:.1f}" fill="#00796b"/>\n'
        for number, count in enumerate(counts)
    ]
    return "".join(bars), longest * 1000, most


def time_line(tasks: Sequence[tuple[float, int]]) -> Chart:
    """The number of tasks as a line."""
    end = max((moment for moment, _ in tasks), default=0.0) or 1e-9
    most = max((count for _, count in tasks), default=0) or 1
    floor = HEIGHT - MARGIN
    points = " ".join(f"{moment / end * WIDTH:.1f},{floor - count / most * floor:.1f}" for moment, count in tasks)
    return f'<polyline points="{points}" fill="none" stroke="#d84315" stroke-width="2"/>\n', end, most


def panel(top: int, title: str, unit: str, chart: Chart) -> str:
    """A chart with its title and the ends of its axes."""
    shapes, right, most = chart
    floor = HEIGHT - MARGIN
    return (
        f'<g transform="translate({MARGIN},{top + MARGIN})">\n<text y="-16" font-size="18">{title}</text>\n{shapes}'
        f'<path d="M0 0V{floor}H{WIDTH}" fill="none" stroke="black"/>\n'
        f'<text x="-8" y="12" text-anchor="end">{most:,.0f}</text>\n'
        f'<text x="{WIDTH}" y="{floor + 20}" text-anchor="end">{right:,.1f} {unit}</text>\n'
        f'<text x="0" y="{floor + 20}">0</text>\n</g>\n'
    )
