"""The table of figures, and when the machine is too busy for verdicts."""

import os
import statistics

BUSY_LOAD = 1.5    # load average before a part, above: no verdict
BUSY_SPREAD = 2.5  # greatest / least of a baseline, above: no verdict


class Wrong(Exception):
    """A candidate did not do its work."""


def spread(values, unit, digits=0):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} {unit} ({low:,.{digits}f} to {high:,.{digits}f})"


class Table:
    """Rows as they come. A part begins with the load average that its verdicts depend on."""

    HEAD = ("goal", "ours", "baseline", "ratio", "target", "")

    def __init__(self):
        self.rows, self.load = [], 0.0

    def part(self, name):
        self.load = os.getloadavg()[0]
        print(f"\n{name} (load average {self.load:.1f})", flush=True)

    def add(self, goal, ours, baseline="", ratio=None, target="", met=None, steady=True,
            digits=2):
        verdict = {None: "", True: "met", False: "**missed**"}[met]
        if met is not None and (self.load > BUSY_LOAD or not steady):
            verdict = "busy"
        self.rows.append((goal, ours, baseline, "" if ratio is None else f"{ratio:.{digits}f}", target,
                          verdict))
        print("  " + " · ".join(cell for cell in self.rows[-1] if cell), flush=True)

    def compare(self, goal, ours, baseline, unit, least=None, most=None, note="", digits=0,
                ratio_digits=2):
        """Two lists of the same run: the ratio of their medians, and whether it is what it should be."""
        ratio = statistics.median(ours) / statistics.median(baseline)
        target, met = "", None
        if least is not None:
            target, met = f"≥ {least}", ratio >= least
        if most is not None:
            target, met = f"≤ {most}", ratio <= most
        self.add(goal, spread(ours, unit, digits) + note, spread(baseline, unit, digits), ratio, target,
                 met, max(baseline) <= BUSY_SPREAD * min(baseline), ratio_digits)

    def at_most(self, goal, value, limit, unit):
        self.add(goal, f"{value:.1f} {unit}", "", None, f"≤ {limit} {unit}", value <= limit)

    def markdown(self):
        rows = [self.HEAD, ("---",) * len(self.HEAD), *self.rows]
        return "".join("| " + " | ".join(row) + " |\n" for row in rows)
