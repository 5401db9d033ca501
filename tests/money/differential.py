#!/usr/bin/env python3
"""The money path against an exact model of it (exact.py).

    differential.py PROGRAM [--histories N] [--seed N]

Random histories of orders, holds, extensions, answers of every kind, faults,
commits and deaths go through the program (histories.c: the product's own
functions, down to the transactions of the ledger) and through the model.
Every verdict, every charge and every balance has to be the same, to the
nano-USD; at the end the ledger is verified and every charge recomputed.
"""

import argparse
import os
import random
import subprocess
import sys

import exact

ROWS, ACCOUNTS, KEYS, OPEN = 64, 8, 8, 4
PARENTS = {1: 0, 2: 0, 5: 4}
NO_ONE = 2 ** 32 - 1
SHARDS = 2
BATCH = 100
USD = exact.NANO


class Wrong(Exception):
    """The program and the model do not agree."""


class Program:
    """Asks in batches; remembers what the answers have to be."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.asked, self.expected = [], []

    def ask(self, line, answer):
        self.asked.append(line)
        self.expected.append(answer)

    def check(self):
        """Sends what was asked, compares all that comes."""
        self.process.stdin.write('\n'.join(self.asked) + '\nflush\n')
        self.process.stdin.flush()
        read = self.process.stdout.readline
        for index, expected in enumerate(self.expected):
            answer = read().rstrip('\n')
            if answer != expected:
                before = '\n#   '.join(self.asked[max(0, index - 25):index])
                raise Wrong(f'{self.asked[index]}\n# answer   {answer}\n'
                            f'# expected {expected}\n# after\n#   {before}')
        self.asked, self.expected = [], []

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise Wrong(f'the program ended with {self.process.returncode}')


class Request:
    """One that is open: its hold, and how far it is."""

    def __init__(self, number, hold, row, ppm):
        self.number, self.hold, self.row, self.ppm = number, hold, row, ppm
        self.charge = None      # settled
        self.sent = False
        self.committed = False
        self.unsent = False
        self.taken = exact.NOTHING


class Shard:
    def __init__(self, path, seed):
        self.program = Program(path)
        self.dice = random.Random(seed)
        self.counts = dict.fromkeys(
            ('requests', 'refused', 'extended', 'cut', 'reversed', 'reaped',
             'topups', 'commits', 'split', 'monotone'), 0)
        self.rules = [0] * 15
        self.open = {}
        self.rows = []
        for index in range(ROWS):
            self.make_row(index)
        self.program.ask(f'book {ROWS}', 'book 1')
        self.accounts = [self.make_account(i) for i in range(ACCOUNTS)]
        self.keys = [self.make_key(i) for i in range(KEYS)]
        self.program.check()

    # what there is

    def make_row(self, index):
        """From free to 10,000 USD per million; a few absurd ones."""
        dice = self.dice
        scale = 10 ** dice.randrange(1, 11)
        pico = [dice.randrange(scale) for _ in exact.CLASSES]
        if dice.random() < 0.1:
            pico = [0] * 5
        request = dice.choice((0, 0, 0, 1, dice.randrange(10 ** 8)))
        if index == 0:
            pico, request = [2 ** 62] * 5, 2 ** 50
        self.rows.append(exact.Row(pico, request))
        self.program.ask(f'row {index} {" ".join(map(str, pico))} {request}',
                         'row')

    def make_account(self, index):
        amount = self.dice.randrange(1, 20 * USD)
        credit = self.dice.choice((0, 0, 5 * USD))
        parent = PARENTS.get(index, NO_ONE)
        self.program.ask(f'account {index} {parent} {amount} {credit}',
                         f'done {index} {amount}')
        return exact.Counter(amount, credit)

    def make_key(self, index):
        budget = self.dice.choice((10, 200, 5000, 10 ** 6)) * USD
        self.program.ask(f'key {index} {budget}',
                         f'done {index} {self.accounts[index].balance}')
        return exact.Counter(budget)

    # a step of a history

    def tokens(self):
        dice = self.dice
        most = 10 ** dice.randrange(1, 7)
        if dice.random() < 0.01:
            most = 2 ** 32
        return tuple(dice.randrange(most) if dice.random() < 0.6 else 0
                     for _ in exact.CLASSES)

    def top_up(self):
        index = self.dice.randrange(ACCOUNTS)
        amount = self.dice.randrange(1, 4 * USD)
        self.accounts[index].add(amount)
        self.counts['topups'] += 1
        self.program.ask(
            f'topup {index} {amount}',
            f'done {index} {self.accounts[index].balance}')

    def begin(self, number, amount=None, same_as=None):
        dice = self.dice
        account = dice.randrange(ACCOUNTS)
        key = account if dice.random() < 0.5 else NO_ONE
        if same_as:
            row, ppm = same_as.row, same_as.ppm
        else:
            row = dice.randrange(ROWS)
            ppm = dice.choice((10 ** 6, 600000, 1700000, 0, 1,
                               dice.randrange(4 * 10 ** 6)))
        if amount is None:
            amount = dice.randrange(10 ** dice.randrange(1, 11))
        parent = PARENTS.get(account, NO_ONE)
        counters = [self.keys[key]] if key != NO_ONE else []
        counters.append(self.accounts[account])
        if parent != NO_ONE:
            counters.append(self.accounts[parent])
        hold = exact.Hold(counters, amount)
        refused = hold.refused is not None
        self.counts['refused' if refused else 'requests'] += 1
        self.program.ask(f'begin {number} {account} {parent} {key} {amount} '
                         f'{row} {ppm}',
                         f'refused {hold.refused}' if refused else 'held')
        if refused:
            return None
        request = Request(number, hold, row, ppm)
        self.open[number] = request
        return request

    def extend(self, request, total=None):
        if total is None:
            total = request.hold.total + self.dice.randrange(
                1, 10 ** self.dice.randrange(1, 11))
        done = request.hold.raise_to(total)
        self.counts['extended' if done else 'cut'] += 1
        self.program.ask(f'extend {request.number} {total}', str(int(done)))
        return done

    def take(self, request):
        """The client has got some of the answer."""
        old = request.taken
        taken = (old[0] or self.dice.randrange(5000), 0, 0,
                 old[3] + self.dice.randrange(1, 2000), 0)
        if self.rows[request.row].price(taken, request.ppm) is not None:
            request.taken = taken
        self.program.ask(f'took {request.number} {taken[0]} {taken[3]}', 'ok')

    def facts(self, request):
        dice = self.dice
        f = exact.Facts()
        what = dice.random()
        f.has_usage = dice.random() < 0.8
        f.usage, f.delivered = self.tokens(), self.tokens()
        f.arrived = tuple(a + b for a, b in zip(f.delivered, (0, 0, 0, 9, 0)))
        f.arrived = tuple(min(a, NO_ONE) for a in f.arrived)
        f.attempts = dice.choice((1, 1, 1, 2, 3))
        f.delivered_any = f.delivered_all = f.ended = True
        if what < 0.1:
            f.usage = exact.NOTHING
        elif what < 0.2:
            f.delivered_any = f.ended = False
            f.failed = dice.random() < 0.5
        elif what < 0.3:
            f.ended, f.failed = False, True
        elif what < 0.45:
            f.left, f.delivered_all = True, False
            f.reads_on = dice.random() < 0.5
        elif what < 0.5:
            f.ended, f.at_hold = False, True
        elif what < 0.55:
            f.ended, f.refused = False, True
        elif what < 0.7:
            for name in f.TRUTHS:
                setattr(f, name, dice.random() < 0.5)
        f.hedged = f.hedged or dice.random() < 0.05
        f.waived = dice.random() < 0.3
        if dice.random() < 0.7:
            f.list = self.rows[request.row]
            f.cost_ppm = dice.randrange(2 * 10 ** 6)
            cost = f.list.price(f.usage if f.has_usage else f.arrived,
                                f.cost_ppm)
            # What the operator owes is a number, or it is not priced.
            if cost is None:
                f.list = None
        return f

    def end(self, request, facts, sent):
        row, ppm = self.rows[request.row], request.ppm
        v = exact.Verdict(facts, row, ppm, request.hold.total)
        if exact.less(request.hold.total, v.price) and request.hold.raise_to(
                v.price):
            v = exact.Verdict(facts, row, ppm, request.hold.total)
        self.rules[v.rule] += 1
        if v.charge > request.hold.total or v.charge < 0:
            raise Wrong('the model charges more than is held')
        if v.charge and not facts.delivered_any and not facts.cached:
            raise Wrong('the model charges for nothing')
        request.charge, request.sent = v.charge, sent
        price = exact.LARGEST if v.price is None else v.price
        truths = ' '.join(str(int(getattr(facts, name)))
                          for name in facts.TRUTHS)
        counts = ' '.join(map(str, facts.usage + facts.delivered +
                              facts.arrived))
        self.program.ask(
            f'end {request.number} {int(sent)} {truths} {facts.attempts} '
            f'{counts} {int(facts.waived)} '
            f'{request.row if facts.list else NO_ONE} {facts.cost_ppm}',
            f'R{v.rule} {v.source} {v.flags} {" ".join(map(str, v.tokens))} '
            f'{price} {v.charge} {v.upstream}')

    def commit(self):
        """Settled money is booked, what nobody got is booked back."""
        self.counts['commits'] += 1
        for request in list(self.open.values()):
            if request.charge is None:
                continue
            if not request.committed:
                request.committed = True
                request.hold.commit(request.charge)
            if request.unsent:
                self.counts['reversed'] += 1
                request.hold.reverse(request.charge)
            if request.sent or request.unsent:
                del self.open[request.number]
        self.program.ask('commit', 'ok')

    def deliver(self, request):
        """A settled answer in one piece: it is sent once it is committed, or
        the client was gone."""
        if self.dice.random() < 0.3:
            request.unsent = True
            self.program.ask(f'unsent {request.number}', 'ok')
        elif request.committed:
            request.sent = True
            self.program.ask(f'sent {request.number}', 'ok')

    def die(self):
        """What ran is charged for what its client took; what was settled and
        not sent is given back."""
        for request in self.open.values():
            if request.charge is None:
                price = self.rows[request.row].price(request.taken,
                                                     request.ppm)
                request.charge = min(price, request.hold.total)
                request.sent = True
                self.counts['reaped'] += 1
                self.rules[13] += 1
            elif not request.sent:
                request.unsent = True
        self.commit()
        self.program.asked[-1] = 'die'

    # histories

    def step(self):
        dice = self.dice
        number = dice.randrange(OPEN)
        request = self.open.get(number)
        if request is None:
            self.begin(number)
        elif request.charge is None:
            what = dice.random()
            if what < 0.25:
                self.extend(request)
            elif what < 0.4:
                self.take(request)
            else:
                self.end(request, self.facts(request), dice.random() < 0.5)
        elif not request.sent and not request.unsent:
            self.deliver(request)

    def split(self):
        """The same answer with one hold and with a hold in pieces."""
        first = self.begin(OPEN)
        if not first:
            return
        facts = self.facts(first)
        facts.ended = facts.delivered_all = facts.delivered_any = True
        total = first.hold.total
        self.end(first, facts, True)
        self.commit()
        second = self.begin(OPEN, total // 3, first)
        if not second:
            return
        for part in (total // 2, total):
            if part > second.hold.total and not self.extend(second, part):
                total = None
        self.end(second, facts, True)
        self.commit()
        if total is not None and first.hold.total == second.hold.total:
            self.counts['split'] += 1
            if first.charge != second.charge:
                raise Wrong('a stream in pieces costs something else')

    def monotone(self):
        """One token more never costs less."""
        index = self.dice.randrange(ROWS)
        ppm = self.dice.randrange(4 * 10 ** 6)
        tokens, before = self.tokens(), 0
        for place in range(3):
            price = self.rows[index].price(tokens, ppm)
            text = 'too much' if price is None else str(price)
            self.program.ask(
                f'price {index} {ppm} {" ".join(map(str, tokens))}', text)
            if exact.less(price, before):
                raise Wrong('more tokens cost less')
            before = price
            tokens = tuple(min(t + (i == place), NO_ONE)
                           for i, t in enumerate(tokens))
        self.counts['monotone'] += 1

    def history(self):
        dice = self.dice
        for _ in range(dice.randrange(2, 7)):
            self.step()
        what = dice.random()
        if what < 0.05:
            self.split()
        elif what < 0.15:
            self.monotone()
        elif what < 0.17:
            self.die()
        elif what < 0.35:
            self.top_up()
        elif what < 0.8:
            self.commit()
        self.look(dice.randrange(ACCOUNTS))

    def look(self, index):
        account, key = self.accounts[index], self.keys[index]
        self.program.ask(f'look {index}',
                         f'{account.balance} {account.available}')
        self.program.ask(f'lookkey {index}', f'{key.balance} {key.available}')

    def run(self, histories):
        for number in range(histories):
            self.history()
            if number % BATCH == BATCH - 1:
                self.program.check()
        self.die()
        for index in range(ACCOUNTS):
            self.look(index)
        self.program.ask('verify', 'balanced')
        self.program.check()
        self.program.close()


def run_shard(options, index):
    """0, or 1 with the reason printed."""
    shard = None
    try:
        shard = Shard(options.program, f'{options.seed} {index}')
        shard.run(options.histories // SHARDS)
    except (Wrong, BrokenPipeError) as error:
        print(f'# shard {index}, seed {options.seed}: {error}', flush=True)
        return 1
    rules = ' '.join(f'R{rule}: {count}' for rule, count
                     in enumerate(shard.rules) if count)
    print(f'# shard {index}: {options.histories // SHARDS} histories, ' +
          ', '.join(f'{value} {name}' for name, value
                    in shard.counts.items()) + f'; {rules}', flush=True)
    if not all(shard.counts.values()):
        print('# something never happened')
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('program')
    parser.add_argument('--histories', type=int, default=50000)
    parser.add_argument('--seed', default='1')
    options = parser.parse_args()
    children = []
    for index in range(SHARDS):
        pid = os.fork()
        if pid == 0:
            status = run_shard(options, index)
            sys.stdout.flush()
            os._exit(status)
        children.append(pid)
    bad = sum(os.waitpid(pid, 0)[1] != 0 for pid in children)
    print(f'{"not ok" if bad else "ok"} 1 - {options.histories} histories are '
          f'what the exact model says, seed {options.seed}')
    print('1..1')
    return bad != 0


if __name__ == '__main__':
    sys.exit(main())
