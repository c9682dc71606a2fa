"""What the tables of all bad configs are made of: values of the wrong type, hostile ones, and blocks with one wrong line."""

TEXT = ["5", "true", "[]", "{}", "1.5", "1979-05-27"]
BOOL = ['"yes"', "1", "[]", '"true"']
LIST = ['"one"', "5", "[@@1]", "[@@true]"]

# Values that a tool could take for something else: an option, a path elsewhere, a second line, a second word.
CONTROL = [r'"a\nb"', r'"a\u0000b"', r'"a\rb"', r'"\u001b[2J"', r'"a\u007f"']
ACCOUNT = ['""', '"-x"', '"--help"', '"a b"', '"Ana"', '"1a"', '"a:b"', '"a/b"', '"../x"', '"a;id"', '"$(id)"', '"a,b"', '"a@b"',
           '"ümit"', '"a\u200bb"', '"\u0430na"', '"a!"', '"a*"', '"' + "a" * 33 + '"', *CONTROL]
PATH = ['""', '"etc/x"', '"./x"', '"../x"', '"/etc/../x"', '"/etc/./x"', '"/etc//x"', '"~/x"', '"$HOME/x"', '"-x"', '"C:\\\\x"',
        '"/' + "a" * 4096 + '"', *CONTROL]


def block(kind, fields):
    return f"[[{kind}]]\n" + "".join(f"{field} = {value}\n" for field, value in fields.items())


def without(fields, *names):
    return {field: value for field, value in fields.items() if field not in names}


def mark(value):
    """The value itself is what is wrong, unless a part of it is marked."""
    return value if "@@" in value and value != '"@@x"' else f"@@{value}"


def wrong(kind, fields, field, value):
    """A block whose last line is wrong."""
    return block(kind, without(fields, field) | {field: mark(value)})


def unknown(kind, fields, spellings):
    """Fields that there are not, or not so."""
    for spelling in spellings:
        yield f"unknown field `{spelling}`", block(kind, fields) + f"@@{spelling} = 1\n"


def of_tables(tables, optional):
    """For each kind, what it needs, and for each field its wrong values and what is said of them. `optional` are fields that a kind
    checks for itself, in words of its own."""
    for kind, (base, fields) in tables.items():
        for field, (values, words) in fields.items():
            for value in values:
                yield words, wrong(kind, base, field, value)
            yield from unknown(kind, base, (field + "x", field[:-1] + "_"))
        for field in base:
            if (kind, field) not in optional:
                yield f"needs `{field}`", "@@" + block(kind, without(base, field))
