"""Every metric's figure a second time: what one fact adds to it, in SQL over the facts.

Written from the definitions of the metrics, not from queryd's statements: days are made of instants
and the property's time zone, lengths of dates and minutes of instants, wherever a fact has both.
expected() sums what the facts add, by any period and dimensions. A metric without an entry here, and
one without golden vectors, fails test_golden.py.
"""

import collections
import datetime as dt
import fractions
import json

from hotel import WINDOW, day

AS_OF = "2024-03-25T12:00:00+00:00"  # of the metrics that look back
DAYS = 14  # of pickup
LAST_YEAR = 364
COUNTED, SHARED = ("rooms_sold", "rooms_occupied", "rooms_available", "on_the_books", "pickup", "pace"), "channel_mix"
MONEY = ("room_revenue", "adr", "revpar", "channel_mix_revenue")
PLACE = "left join (select tenant_id, property_id, timezone, currency from analytics_curated.dim_property) p using (tenant_id, property_id)"
LOCAL = "at time zone coalesce(p.timezone, 'UTC'))::date as date"
NIGHT = "property_id, room_type_id, channel, market_segment, rate_plan_id"

# {name: (facts with their date, condition)}
FACTS = {
    "nights": ("select *, stay_date as date, state in ('on_books', 'in_house', 'stayed') as held"
               " from analytics_curated.fact_room_night", "true"),
    "rooms": (f"select f.*, p.currency from analytics_curated.fact_inventory_day f {PLACE}",
              f"date between '{WINDOW['from']}' and '{WINDOW['to']}'"),
    "arrivals": (f"select f.*, arrival_date as date, arrival_date - (booked_at {LOCAL.replace(' as date', '')} as lead"
                 f" from analytics_curated.fact_reservation f {PLACE}", "confirmed_at is not null"),
    "departures": ("select *, departure_date as date, departure_date - arrival_date as slept"
                   " from analytics_curated.fact_reservation", "status = 'checked_out' and slept > 0"),
    "bookings": (f"select f.*, (booked_at {LOCAL} from analytics_curated.fact_reservation f {PLACE}", "confirmed_at is not null"),
    "payments": (f"select f.*, (occurred_at {LOCAL} from analytics_curated.fact_payment f {PLACE}", "true"),
    "turnovers": (f"""select f.*, (created_at {LOCAL}, floor(extract(epoch from case
                      when inspected_at is null or completed_at > inspected_at then completed_at
                      when inspection_result = 'passed' then inspected_at end - created_at) / 60) as minutes
                      from analytics_curated.fact_housekeeping_task f {PLACE}""",
                  "kind = 'turnover' and f.status <> 'cancelled' and minutes >= 0"),
    "locks": (f"select f.*, (occurred_at {LOCAL} from analytics_curated.fact_lock_action f {PLACE}", "true"),
    "suggestions": (f"select f.*, (decided_at {LOCAL} from analytics_curated.fact_ai_suggestion f {PLACE}",
                    "decision in ('accepted', 'edited', 'rejected', 'expired')"),
    # a hand-off once, and of a session that led to none each property once
    "clicks": (f"""select distinct on (tenant_id, coalesce(handoff_id, session_id || property_id)) f.*, (clicked_at {LOCAL},
                   handoff_id is not null and (converted_at is not null or confirmed_at is not null)
                   and extract(epoch from coalesce(converted_at, confirmed_at) - clicked_at) between 0 and 30 * 86400 as won
                   from analytics_curated.fact_funnel f {PLACE} where clicked_at is not null""", "true"),
    "books": ("select *, stay_date as date, rooms_delta as delta from analytics_curated.fact_room_night_history",
              f"kind = 'sold' and known_at <= '{AS_OF}'"),
    "two years": (f"""select {NIGHT}, kind, tenant_id, stay_date as date, known_at, rooms_delta as delta
                      from analytics_curated.fact_room_night_history union all
                      select {NIGHT}, kind, tenant_id, stay_date + {LAST_YEAR}, known_at + interval '{LAST_YEAR * 24} hours', -rooms_delta
                      from analytics_curated.fact_room_night_history""", f"kind = 'sold' and known_at <= '{AS_OF}'"),
}

# {name: (facts, what one adds)}
PARTS = {
    "sold": ("nights", "(kind = 'sold' and held)::int"),
    "occupied": ("nights", "(kind in ('sold', 'complimentary', 'house_use') and held)::int"),
    "revenue": ("nights", "case when kind = 'sold' and held then rate_micro else 0 end"),
    "available": ("rooms", "rooms_total - closed - house_permanent"),
    "in order": ("rooms", "rooms_total - closed - house_permanent - out_of_order"),
    "slept": ("departures", "slept"), "stays": ("departures", "1"),
    "reservations": ("arrivals", "1"), "lead": ("arrivals", "lead"),
    "cancelled": ("arrivals", "(status = 'cancelled')::int"), "no-shows": ("arrivals", "(status = 'no_show')::int"),
    "expected": ("arrivals", "(status in ('checked_in', 'checked_out', 'no_show'))::int"),
    "booked": ("bookings", "1"), "booked, cancelled": ("bookings", "(status = 'cancelled')::int"),
    "captured": ("payments", "(kind = 'captured')::int"), "tried": ("payments", "(kind in ('captured', 'failed'))::int"),
    "minutes": ("turnovers", "minutes"), "readied": ("turnovers", "1"),
    "obeyed": ("locks", "(result in ('succeeded', 'granted'))::int"),
    "commanded": ("locks", "(result not in ('requested', 'alert'))::int"),
    "followed": ("suggestions", "(decision in ('accepted', 'edited'))::int"), "shown": ("suggestions", "1"),
    "clicks": ("clicks", "1"), "won": ("clicks", "won::int"), "kept": ("clicks", "(won and not cancelled)::int"),
    "on the books": ("books", "delta"), "ahead": ("two years", "delta"),
    "picked up": ("books", f"case when known_at > timestamptz '{AS_OF}' - interval '{DAYS * 24} hours' then delta else 0 end"),
}

# {metric: its parts}; of a share the second is the same over all channels
FIGURES = {
    "rooms_available": ("available",), "rooms_sold": ("sold",), "rooms_occupied": ("occupied",), "room_revenue": ("revenue",),
    "occupancy_pct": ("sold", "available"), "occupancy_total_pct": ("occupied", "available"),
    "occupancy_adjusted_pct": ("sold", "in order"), "adr": ("revenue", "sold"), "revpar": ("revenue", "available"),
    "alos": ("slept", "stays"), "lead_time_days": ("lead", "reservations"),
    "cancellation_rate": ("cancelled", "reservations"), "cancellation_rate_booked": ("booked, cancelled", "booked"),
    "no_show_rate": ("no-shows", "expected"),
    "channel_mix": ("sold", "sold"), "channel_mix_revenue": ("revenue", "revenue"),
    "channel_mix_bookings": ("reservations", "reservations"),
    "payment_success_rate": ("captured", "tried"), "time_to_ready_minutes": ("minutes", "readied"),
    "lock_success_rate": ("obeyed", "commanded"), "ai_suggestion_acceptance_rate": ("followed", "shown"),
    "meta_to_book_conversion": ("won", "clicks"), "meta_to_book_conversion_net": ("kept", "clicks"),
    "on_the_books": ("on the books",), "pickup": ("picked up",), "pace": ("ahead",),
}


def asked(metric):
    """What a request for it says besides."""
    if metric not in ("on_the_books", "pickup", "pace"):
        return {}
    return {"asOf": AS_OF, **({"params": {"days": DAYS}} if metric == "pickup" else {})}


class Facts:
    """All facts of a tenant, read as admin, and the figures that they make."""

    def __init__(self, stack, tenant):
        self.stack, self.tenant, self.read = stack, tenant, {}

    def part(self, name):
        """[(fact as a dict, with its date, what it adds)] of the window."""
        if name not in self.read:
            facts, value = PARTS[name]
            rows = self.stack.query(
                f"select to_jsonb(f), {value} from (select * from ({FACTS[facts][0]}) f where tenant_id = $1) f"
                f" where {FACTS[facts][1]} and date between $2::date and $3::date", self.tenant, WINDOW["from"], WINDOW["to"])
            self.read[name] = [(json.loads(fact), int(n)) for fact, n in rows]
        return self.read[name]

    def sums(self, metric, dimensions=(), granularity=None, keep=lambda fact: True):
        """{(period or None, dimension…): [numerator, denominator]}, of cells with facts."""
        sums = collections.defaultdict(lambda: [0, 0])
        for which, name in enumerate(FIGURES[metric]):
            for fact, n in self.part(name):
                if keep(fact):
                    period = floor(day(fact["date"]), granularity) if granularity else None
                    sums[(period, *(fact[d] or "unknown" for d in dimensions))][which] += n
        if metric.startswith(SHARED):
            channel, whole = 1 + dimensions.index("channel"), collections.Counter()
            for key, (_, n) in sums.items():
                whole[key[:channel] + key[channel + 1:]] += n
            return {key: [n, whole[key[:channel] + key[channel + 1:]]] for key, (n, _) in sums.items()}
        return dict(sums)


def floor(date, granularity):
    if granularity == "week":
        return date - dt.timedelta(date.weekday())
    month = {"month": date.month, "quarter": (date.month - 1) // 3 * 3 + 1, "year": 1}.get(granularity)
    return date.replace(month=month, day=1) if month else date


def figure_of(metric, sums):
    """The figure that its sums make."""
    if len(FIGURES[metric]) == 1:
        return fractions.Fraction(sums[0])
    return fractions.Fraction(*sums) if sums[1] else None


def same(served, wanted):
    if served is None or wanted is None:
        return served == wanted
    if isinstance(served, str):  # micro-units, halves to even
        return int(served) == round(wanted)
    return abs(served - float(wanted)) <= 1e-12 * max(1, abs(wanted))
