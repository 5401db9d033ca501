"""What the client dialects of the tests have in common: a request and an
answer in nobody's words, and events."""

class Wrong(AssertionError):
    """The answer is not one of its dialect."""


def check(true, what):
    if not true:
        raise Wrong(what)


class Talk:
    """A request. `turns`: what earlier answers and results became, in the
    dialect's own form."""

    def __init__(self, said, system=None, tools=(), stream=False, **more):
        self.said = said
        self.system = system
        self.tools = tools        # (name, description, schema)
        self.stream = stream
        self.choice = more.pop('choice', None)   # required, none, (name,)
        self.parallel = more.pop('parallel', None)
        self.schema = more.pop('schema', None)
        self.think = more.pop('think', False)
        self.image = more.pop('image', None)     # (mime, base64)
        self.max = more.pop('max', None)
        self.temperature = more.pop('temperature', None)
        self.stop = more.pop('stop', None)
        self.turns = more.pop('turns', [])
        self.extra = more.pop('extra', {})       # members of the body
        assert not more, more


class Result:
    def __init__(self):
        self.text = ''
        self.thoughts = ''
        self.signs = 0            # opaque proofs of thoughts
        self.calls = []           # (id, name, arguments)
        self.finish = None        # in the dialect's word
        self.usage = None         # the five classes, disjoint
        self.model = None
        self.turns = []           # to be sent back
        self.error = None         # (type, message) of a stream


def whole(text):
    """A text with its surrogates joined; None if one is alone."""
    try:
        return text.encode('utf-16', 'surrogatepass').decode('utf-16')
    except UnicodeDecodeError:
        return None


def events_of(body):
    """[(event, data)] of an SSE stream; strict: one data line, a blank
    line behind each event."""
    text = body.decode('utf-8')
    check(text.endswith('\n\n') or not text, 'the stream ends in an event')
    found = []
    for block in text.split('\n\n')[:-1]:
        name = data = None
        for line in block.split('\n'):
            if line.startswith(':'):
                continue
            field, _, value = line.partition(': ')
            check(field in ('event', 'data', 'id', 'retry'),
                  f'a line of a stream: {line[:80]!r}')
            if field == 'event':
                name = value
            elif field == 'data':
                check(data is None, 'two data lines')
                data = value
        if data is not None:
            found.append((name, data))
    return found


def classes(**usage):
    return {**dict.fromkeys(('input', 'cache_read', 'cache_write', 'output',
                             'reasoning'), 0), **usage}
