"""What requests are checked with: small checkers, each takes a value and
the name of its place, and raises Refused. Strict on purpose: a careful
provider is the best witness."""

import base64
import binascii
import json
import re


class Refused(Exception):
    """The request is not one of the dialect; `field` names the place."""

    def __init__(self, message, field=None, status=400, kind=None):
        super().__init__(message)
        self.field = field
        self.status = status
        self.kind = kind          # the dialect's own name of the error


def need(true, message, field=None):
    if not true:
        raise Refused(message, field)


def members_once(pairs):
    """For json.loads: a member that stands twice is refused."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(f'{twice}: stands there twice', twice)
    return found


def parse(body):
    """The JSON object of a request."""
    try:
        value = json.loads(body.decode('utf-8'),
                           object_pairs_hook=members_once)
    except (ValueError, RecursionError) as bad:
        raise Refused(f'the body is no JSON: {bad}') from None
    need(isinstance(value, dict), 'the body is no object')
    return value


def fields(value, where, spec, more=False, nulls=False):
    """An object with these members: {'name': checker, 'must!': checker}.
    `more`: others may stand there; `nulls`: null is as good as absent."""
    need(isinstance(value, dict), f'{where or "body"}: must be an object',
         where)
    known = {name.rstrip('!'): check for name, check in spec.items()}
    for name, item in value.items():
        place = f'{where}.{name}' if where else name
        if name not in known:
            need(more, f'{place}: Extra inputs are not permitted', place)
        elif not (nulls and item is None):
            known[name](item, place)
    for name in spec:
        if name.endswith('!') and value.get(name[:-1]) is None:
            place = f'{where}.{name[:-1]}' if where else name[:-1]
            raise Refused(f'{place}: Field required', place)
    return value


def group(**how):
    """A checker of an object; see fields(). The spec is how['spec']."""
    def check(value, where):
        fields(value, where, **how)
    return check


def anything(value, where):
    """Whatever."""


def text(value, where):
    need(isinstance(value, str), f'{where}: must be a string', where)


def filled(value, where):
    text(value, where)
    need(value.strip(), f'{where}: must not be empty', where)


def flag(value, where):
    need(isinstance(value, bool), f'{where}: must be true or false', where)


def thing(value, where):
    need(isinstance(value, dict), f'{where}: must be an object', where)


def null(value, where):
    need(value is None, f'{where}: must be null', where)


def whole(least=0, most=2 ** 31):
    def check(value, where):
        need(isinstance(value, int) and not isinstance(value, bool) and
             least <= value <= most,
             f'{where}: must be a whole number of {least} to {most}', where)
    return check


def number(least, most):
    def check(value, where):
        need(isinstance(value, (int, float)) and not isinstance(value, bool)
             and least <= value <= most,
             f'{where}: must be a number of {least} to {most}', where)
    return check


def one_of(*words):
    def check(value, where):
        need(isinstance(value, str) and value in words,
             f'{where}: must be one of {", ".join(words)}', where)
    return check


def listed(check_item, least=0, most=10 ** 6):
    def check(value, where):
        need(isinstance(value, list), f'{where}: must be an array', where)
        need(least <= len(value) <= most,
             f'{where}: must have {least} to {most} items', where)
        for i, item in enumerate(value):
            check_item(item, f'{where}[{i}]')
    return check


def either(*checks):
    def check(value, where):
        last = None
        for one in checks:
            try:
                return one(value, where)
            except Refused as bad:
                last = bad
        raise last
    return check


def matching(pattern):
    def check(value, where):
        text(value, where)
        need(re.fullmatch(pattern, value),
             f"{where}: String should match pattern '^{pattern}$'", where)
    return check


def packed(value, where):
    """Base64, without blanks."""
    text(value, where)
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f'{where}: must be base64', where) from None


def by_type(kinds, member='type'):
    """An object whose `type` says its form: {'type': spec}."""
    def check(value, where):
        thing(value, where)
        kind = value.get(member)
        need(isinstance(kind, str) and kind in kinds,
             f'{where}.{member}: must be one of {", ".join(kinds)}',
             f'{where}.{member}')
        fields(value, where, {member + '!': text, **kinds[kind]})
    return check


def schema(value, where):
    """A JSON schema, as far as a provider looks."""
    thing(value, where)
    kind = value.get('type')
    need(kind is None or isinstance(kind, (str, list)),
         f'{where}.type: must be a string', where)
    for name, item in (value.get('properties') or {}).items():
        schema(item, f'{where}.properties.{name}')
    if isinstance(value.get('items'), dict):
        schema(value['items'], f'{where}.items')


def object_schema(value, where):
    schema(value, where)
    need(value.get('type') == 'object',
         f"{where}.type: schema must have type 'object'", where)


def strict_schema(value, where):
    """What strict modes demand of every object in it."""
    schema(value, where)
    if value.get('type') == 'object':
        need(value.get('additionalProperties') is False,
             f"{where}: 'additionalProperties' is required to be supplied "
             'and to be false', where)
        missing = set(value.get('properties', {})) - set(
            value.get('required', []))
        need(not missing, f"{where}: 'required' must hold every property: "
             f'{sorted(missing)}', where)
    for name, item in (value.get('properties') or {}).items():
        strict_schema(item, f'{where}.properties.{name}')
    if isinstance(value.get('items'), dict):
        strict_schema(value['items'], f'{where}.items')


def closed_schema(value, where):
    """Objects must forbid other members; some may be optional."""
    schema(value, where)
    if value.get('type') == 'object':
        need(value.get('additionalProperties') is False,
             f"{where}: For 'object' type, 'additionalProperties' must be "
             "explicitly set to false", where)
    for name, item in (value.get('properties') or {}).items():
        closed_schema(item, f'{where}.properties.{name}')
    if isinstance(value.get('items'), dict):
        closed_schema(value['items'], f'{where}.items')


def object_text(value, where):
    """A string that holds a JSON object."""
    text(value, where)
    try:
        need(isinstance(json.loads(value), dict),
             f'{where}: must be the text of a JSON object', where)
    except ValueError:
        raise Refused(f'{where}: must be the text of a JSON object',
                      where) from None


def data_url(url):
    """(mime, base64) of a data: URL, or None."""
    match = re.fullmatch(r'data:([\w./+-]+);base64,(.*)', url, re.S)
    return match.groups() if match else None


def place_url(value, where):
    """http(s), or data: with good base64."""
    text(value, where)
    if value.startswith('data:'):
        need(data_url(value), f'{where}: not a base64 data URL', where)
        packed(data_url(value)[1], where)
    else:
        need(value.startswith(('https://', 'http://')),
             f'{where}: not a URL', where)
