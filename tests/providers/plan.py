"""What is answered, in nobody's dialect: parts, finish and usage, planned
from what was asked and the directives in it."""

import base64
import hashlib
import itertools
import json
import re
import threading

from rules import Refused, need

CLASSES = ('input', 'cache_read', 'cache_write', 'output', 'reasoning')

DIRECTIVES = {
    'chunks', 'tools', 'think', 'redacted', 'cached', 'written', 'reasoning',
    'finish', 'status', 'retry_after', 'error', 'cut', 'json', 'nosign',
    'nousage', 'tag', 'badargs',
}
WORDS = {'finish', 'tag'}          # the others are numbers

# Escapes, other scripts, and a pair of surrogates over two pieces.
TEXT = ('Hello from the provider, ', 'a "quoted" word\n', 'and a \\ back',
        'slash, a\ttab, </b> & Zürich, ', '日本語 ', 'face \ud83d',
        '\ude00 and \u0001 ', 'the end.')
THOUGHTS = ('First I look at "it", ', 'then at Zürich \ud83d',
            '\ude00,\n', 'then I answer.')
CITIES = ('Zürich "HB"', 'Tōkyō', 'Ulm \\ Donau', 'Lyon \U0001f600')
JSON_TEXT = ('{"name":"Ada",', '"age":36,"tags"', ':["x","y"]}')

_count = itertools.count(1)
_lock = threading.Lock()


def number():
    """A number nobody else has."""
    with _lock:
        return next(_count)


class Seen:
    """A request, as the witness understood it."""

    def __init__(self, model='', stream=False):
        self.model = model
        self.stream = stream
        self.system = []          # texts
        self.turns = []           # {'role', 'parts'}
        self.tools = []           # {'name', 'description', 'schema'}
        self.choice = None        # auto, none, required or {'name': ...}
        self.parallel = None
        self.format = None        # {'kind', 'schema', 'name', 'strict'}
        self.settings = {}        # max, temperature, stop, ... as they came
        self.options = {}         # of the dialect; for its own answer
        self.bytes = 0

    def add(self, role, *parts):
        """Parts of a turn; a new one where the role changes."""
        if not self.turns or self.turns[-1]['role'] != role:
            self.turns.append({'role': role, 'parts': []})
        self.turns[-1]['parts'] += parts

    def set(self, body, **names):
        """settings from members of the body: max='max_tokens'."""
        for name, member in names.items():
            if body.get(member) is not None:
                self.settings[name] = body[member]

    def last_text(self):
        """The text the directives stand in: of the last user turn with
        words (results of tools come after it)."""
        for turn in reversed(self.turns):
            words = [part['text'] for part in turn['parts'] if 'text' in part]
            if turn['role'] == 'user' and words:
                return '\n'.join(words)
        return ''

    def results(self):
        """The results of tools in the last turn."""
        if not self.turns or self.turns[-1]['role'] != 'user':
            return []
        return [part['result'] for part in self.turns[-1]['parts']
                if 'result' in part]

    def as_json(self):
        return {'model': self.model, 'stream': self.stream,
                'system': self.system, 'turns': self.turns,
                'tools': self.tools, 'choice': self.choice,
                'parallel': self.parallel, 'format': self.format,
                'settings': self.settings}


class Plan:
    """An answer. parts: ('think', pieces, signature), ('redacted', data),
    ('text', pieces), ('call', id, name, arguments)."""

    def __init__(self, seen):
        self.seen = seen
        self.do = directives(seen.last_text())
        self.number = number()
        self.parts = []
        self.finish = 'stop'      # stop, length, filter, calls, sequence
        self.sequence = None
        self.fill()
        self.usage = self.count()

    def fill(self):
        do, seen = self.do, self.seen
        answered = seen.results()
        if 'think' in do:
            pieces = THOUGHTS * (do['think'] or 1)
            sign = None if 'nosign' in do else signature(''.join(pieces))
            self.parts.append(('think', pieces, sign))
        if 'redacted' in do:
            self.parts.append(('redacted', redacted()))
        calls = self.wanted_calls() if not answered else []
        if answered:
            said = '|'.join(one['text'] for one in answered)
            self.parts.append(('text', ('RESULTS:', said)))
        elif not calls:
            self.parts.append(('text', self.words()))
        self.parts += calls
        if calls:
            self.finish = 'calls'
        self.end()

    def words(self):
        form = self.seen.format
        if 'json' in self.do or form and form['kind'] == 'json':
            return JSON_TEXT
        if form and form['kind'] == 'schema':
            made = json.dumps(instance(form['schema']))
            return (made[:5], made[5:])
        count = self.do.get('chunks')
        if count is None:
            return TEXT
        return tuple(TEXT[i % 5] for i in range(count))

    def wanted_calls(self):
        seen, count = self.seen, self.do.get('tools', 0)
        choice = seen.choice
        if isinstance(choice, dict) or choice == 'required':
            count = max(count, 1)
        if choice == 'none' or not count:
            return []
        tools = seen.tools
        if isinstance(choice, dict):
            tools = [tool for tool in tools if tool['name'] == choice['name']]
        need(tools, 'the directive wants a call and there are no tools')
        if seen.parallel is False:
            count = 1
        return [('call', f'call_{self.number}_{i}',
                 tools[i % len(tools)]['name'],
                 arguments(i, tools[i % len(tools)]['schema'] or {}))
                for i in range(count)]

    def end(self):
        """The finish reason; `max` is kept to, a piece a token."""
        wanted = self.do.get('finish')
        most = self.seen.settings.get('max')
        if wanted in ('length', 'filter'):
            self.finish = wanted
        elif wanted == 'sequence':
            stops = self.seen.settings.get('stop')
            need(stops, 'the directive wants a stop sequence')
            self.finish = 'sequence'
            self.sequence = stops if isinstance(stops, str) else stops[0]
        elif most is not None and self.parts[-1][0] == 'text':
            pieces = self.parts[-1][1]
            if len(pieces) > most:
                self.parts[-1] = ('text', pieces[:most])
                self.finish = 'length'

    def count(self):
        do = self.do
        output = reasoning = 0
        for part in self.parts:
            if part[0] == 'think':
                reasoning += len(part[1])
            elif part[0] == 'text':
                output += len(part[1])
            elif part[0] == 'call':
                output += 4
            else:
                reasoning += 1
        return {'input': 8 + self.seen.bytes // 4,
                'cache_read': do.get('cached', 0),
                'cache_write': do.get('written', 0),
                'output': output, 'reasoning': do.get('reasoning', reasoning)}

    def whole(self, *kinds):
        """(kind, ...) of each part, pieces joined; only these kinds."""
        for part in self.parts:
            if part[0] in kinds:
                if part[0] in ('text', 'think'):
                    yield (part[0], ''.join(part[1])) + part[2:]
                else:
                    yield part


def arguments(i, schema):
    """Of call i; a tool that knows no city gets what fits it."""
    if 'city' not in schema.get('properties', {}):
        return instance(schema)
    return {'city': CITIES[i % len(CITIES)], 'days': i,
            'opts': {'deep': True, 'list': [1, 2.5, None]}}


def directives(said):
    """{name: value} of @@name=value; a number without a value is 1."""
    found = {}
    for name, value in re.findall(r'@@(\w+)(?:=([^\s@|]+))?', said):
        need(name in DIRECTIVES, f'no such directive: {name}')
        if name in WORDS:
            found[name] = value
        else:
            need(re.fullmatch(r'\d{0,9}', value), f'not a number: {name}')
            found[name] = int(value) if value else 1
    return found


def signature(thought):
    """What proves that a thought is ours."""
    joined = thought.encode('utf-16', 'surrogatepass')
    return base64.b64encode(
        hashlib.sha256(b'signed' + joined).digest() * 2).decode()


def redacted():
    return base64.b64encode(b'redacted thought \xff\xfe').decode()


def check_thought(thought, sign, where):
    if sign != signature(thought):
        raise Refused(f'{where}: Invalid `signature` in `thinking` block',
                      where)


def check_redacted(data, where):
    if data != redacted():
        raise Refused(f'{where}: Invalid `data` in `redacted_thinking` block',
                      where)


SAMPLES = {'string': 'Ada', 'integer': 36, 'number': 1.5, 'boolean': True,
           'null': None}


def instance(schema):
    """A value of a JSON schema."""
    if not isinstance(schema, dict):
        return None
    for word in ('const', 'enum', 'anyOf', 'oneOf', 'allOf'):
        if word == 'const' and word in schema:
            return schema[word]
        if schema.get(word):
            first = schema[word][0]
            return first if word == 'enum' else instance(first)
    kind = schema.get('type', 'object')
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == 'object':
        return {name: instance(item)
                for name, item in schema.get('properties', {}).items()}
    if kind == 'array':
        return [instance(schema.get('items', {'type': 'string'}))]
    return SAMPLES.get(kind)


def fragments(text):
    """A text in four pieces, cut anywhere."""
    cuts = sorted({0, 1, len(text) // 3, len(text) // 2, len(text)})
    return [text[a:b] for a, b in zip(cuts, cuts[1:]) if a < b]


def dumps(value):
    """Compact JSON bytes: plain UTF-8 where that can be."""
    try:
        return json.dumps(value, ensure_ascii=False,
                          separators=(',', ':')).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(',', ':')).encode()
