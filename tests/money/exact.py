"""What money should do, with exact fractions: prices, the rules of who pays
what, and counters. Written from the manual, not from the sources; slow and
plain. Money is whole nano-USD."""

import math
import operator
from fractions import Fraction

NANO, PICO, PPM = 10 ** 9, 10 ** 12, 10 ** 6
LARGEST = 2 ** 63 - 1
CLASSES = ('input', 'cache_read', 'cache_write', 'output', 'reasoning')
NOTHING = (0, 0, 0, 0, 0)

# Sources of figures, flags of entries: docs/ledger-format.md.
NONE, UPSTREAM, ESTIMATED = 0, 1, 3
PARTIAL, COUNTED_HERE, OVER_HOLD = 2, 4, 8


class Row:
    """The prices of a model: pico-USD per token, nano-USD a request."""

    def __init__(self, pico, request):
        self.pico = pico
        self.request = request * 1000

    def price(self, tokens, ppm):
        """Whole nano-USD, rounded up once; None: no such amount exists."""
        if not any(tokens):
            return 0
        usd = Fraction(sum(map(operator.mul, tokens, self.pico),
                           self.request), PICO)
        nano = math.ceil(usd * Fraction(ppm, PPM) * NANO)
        return nano if nano <= LARGEST else None


class Facts:
    """What happened to a request; see billing/rules.h."""

    TRUTHS = ('cached', 'hedged', 'ended', 'failed', 'refused', 'at_hold',
              'left', 'reads_on', 'delivered_any', 'delivered_all',
              'has_usage')

    def __init__(self):
        for name in self.TRUTHS:
            setattr(self, name, False)
        self.attempts = 1
        self.usage = self.delivered = self.arrived = NOTHING
        self.waived = False     # failed answers are free
        self.list = None        # the operator's row
        self.cost_ppm = 0


def output_only(tokens):
    return (0, 0, 0, tokens[3], tokens[4])


def rule_of(facts):
    """The number of the rule before the hold is looked at."""
    if facts.cached:
        return 11
    if not facts.delivered_any:
        return 4
    if facts.ended and facts.delivered_all:
        if not facts.has_usage:
            return 3
        if not any(facts.usage):
            return 2
        if facts.hedged:
            return 10
        return 8 if facts.attempts > 1 else 1
    if facts.at_hold:
        return 12
    if facts.failed:
        return 5
    if facts.refused:
        return 9
    return 7 if facts.reads_on else 6


def tokens_of(rule, facts, price):
    """(tokens, source) that the rule charges."""
    if rule in (4, 11) or rule in (5, 9) and facts.waived:
        return NOTHING, NONE
    if rule in (1, 2, 8, 10):
        return facts.usage, UPSTREAM
    counted, known = facts.delivered, facts.usage
    if rule in (5, 9):
        counted, known = output_only(counted), output_only(known)
    if facts.has_usage and less(price(known), price(counted)):
        return known, UPSTREAM
    return counted, ESTIMATED if any(counted) else NONE


def less(one, other):
    """Of prices, of which None is the largest."""
    return one is not None and (other is None or one < other)


class Verdict:
    def __init__(self, facts, row, ppm, hold):
        def price(tokens):
            return row.price(tokens, ppm)
        self.rule = rule_of(facts)
        self.tokens, self.source = tokens_of(self.rule, facts, price)
        self.price = price(self.tokens)
        if self.rule in (1, 2, 8, 10) and less(hold, self.price):
            self.rule = 14
        self.charge = self.price if less(self.price, hold) else hold
        self.upstream = 0
        if facts.list and not facts.reads_on:
            self.upstream = facts.list.price(
                facts.usage if facts.has_usage else facts.arrived,
                facts.cost_ppm)
        self.flags = self.flags_of(facts)

    def flags_of(self, facts):
        flags = COUNTED_HERE if self.source == ESTIMATED else 0
        if self.rule == 14:
            flags |= OVER_HOLD
        whole = facts.ended and facts.delivered_all
        if self.rule != 11 and facts.delivered_any and not whole:
            flags |= PARTIAL
        return flags


class Counter:
    """An account or a budget: what is booked and what can be spent."""

    def __init__(self, balance, credit=0):
        self.balance = balance
        self.available = balance + credit

    def add(self, amount):
        self.balance += amount
        self.available += amount


class Hold:
    """Money of a request on some counters, in the order they are asked."""

    def __init__(self, counters, amount):
        self.counters = counters
        self.total = 0
        self.refused = None
        for index, counter in enumerate(counters):
            if counter.available < amount:
                self.refused = index
                return
        self.raise_to(amount)

    def raise_to(self, total):
        """Whether there was money for it; if not, nothing has changed."""
        if total is None:
            return False
        more = total - self.total
        if any(counter.available < more for counter in self.counters):
            return False
        for counter in self.counters:
            counter.available -= more
        self.total = total
        return True

    def commit(self, charge):
        for counter in self.counters:
            counter.balance -= charge
            counter.available += self.total - charge

    def reverse(self, charge):
        for counter in self.counters:
            counter.add(charge)
