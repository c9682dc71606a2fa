"""What can be wrong in the kinds that edit or own one file; `generate.py` writes it out."""

from pieces import ACCOUNT, BOOL, CONTROL, LIST, PATH, TEXT, block, unknown, without, wrong

KEY = '"ssh-ed25519 AAAAC3Nza ana"'
# What each kind needs so that only the case's own line is wrong.
BASE = {
    "line": {"path": '"/etc/x"', "line": '"a"'},
    "edit": {"path": '"/etc/x"', "format": '"ini"', "set": "{ a = 1 }"},
    "sudoers": {"name": '"web"', "rules": '["web ALL=(ALL) ALL"]'},
    "authorized_key": {"user": '"ana"', "key": KEY},
    "hosts": {"ip": '"10.0.0.5"', "names": '["db"]'},
    "limits": {"domain": '"*"', "type": '"soft"', "item": '"nofile"', "value": "4096"},
    "cron": {"name": '"backup"', "spec": '"@daily"', "command": '"/bin/true"'},
    "assert": {"that": "true", "msg": '"no"'},
}

LINE = ['""', '" "', '"' + "a" * 8193 + '"', '"a\\u2028b"', '"a\\u0085b"', *CONTROL]
PATTERN = ['""', '"("', '"["', '"*"', '"a{2"', '"a{9999999}"', '"(?=a)"', r'"(a)\\1"', r'"\\q"', '"(?P<a>x)(?P<a>y)"', r'"a\nb"', r'"a\u0000b"', r'"(((a{100}){100}){100})"']
NAME = ['""', '"-x"', '"--help"', '"a b"', '"a.b"', '"a~"', '"a/b"', '"../x"', '"."', '".."', '"/etc/x"', '"a;id"', '"$(id)"', '"a,b"',
        '"a@b"', '"ümit"', '"а"', '"a*"', '"a%"', '"' + "a" * 65 + '"', *CONTROL]
RULE = ['"#include /etc/x"', '"#includedir /tmp"', '"@include /etc/x"', '"@includedir /tmp"', '" @include x"', r'"ana ALL=(ALL) \\"', r'"ana ALL=(ALL) \\ "',
        r'"ana ALL=(ALL) ALL\nbo ALL=(ALL) NOPASSWD: ALL"', *LINE]
PUBLIC = ['""', '"ana"', '"ssh-ed25519"', '"ssh-ed25519 ana"', '"AAAAC3Nza ana"', r'"ssh-rsa AAAA\nssh-rsa AAAA"', '"#"', '"ssh-rsa AAAA;id"', '"ssh-rsa AAAA$(id)"',
          '"no-pty ssh-rsa AAAA"', r'"command=\"id\" ssh-rsa AAAA"', '"files/ana.pub"', '"https://h/ana.keys"', '"-----BEGIN OPENSSH PRIVATE KEY-----"', *CONTROL]
OPTION = ['""', '" "', '"-x"', '"no pty"', '"no-pty,command"', '"command=id"', r'"command=\"id"', r'"command=id\""', r'"from=\"a\",command=\"id\""', r'"command=\"a\\\"b\""',
          '"="', r'"=\"a\""', r'"a b=\"c\""', r'"no-pty ssh-rsa AAAA"', '"ünit"', *CONTROL]
IP = ['""', '"localhost"', '"10.0.0"', '"10.0.0.256"', '"10.0.0.5/8"', '"010.0.0.1"', '"10.0.0.5 x"', '" 10.0.0.5"', '"10.0.0.5:80"', '"[::1]"', '"fe80::1%eth0"', '"::g"',
      '"1"', '"0x7f.1"', '"-1.0.0.0"', *CONTROL]
HOST = ['""', '"-a"', '"a-"', '"a b"', '"a..b"', '".a"', '"a."', '"10.0.0.6"', '"::1"', '"a;id"', '"a#b"', '"#"', '"a/b"', '"http://a"', '"$(id)"', '"*"', '"ümit"', '"a@b"',
        '"' + "a" * 64 + '"', '"' + "a." * 127 + '"', *CONTROL]
DOMAIN = ['""', '"@"', '"@@x"', '"-"', '"-x"', '"**"', '"* soft"', '"Ana"', '"a b"', '"a;id"', '"%wheel"', '"1000:"', '"../x"', '"a/b"', '"#"', '"@a b"', '"ümit"',
          '"' + "a" * 33 + '"', *CONTROL]
VALUE = ['""', '"many"', '"Unlimited"', '"1k"', '"1 2"', '"0x10"', '"1;id"', "1.5", "true", "[]", "-1", '"-1"', "99999999999999999999", '"99999999999999999999"', *CONTROL]
SPEC = ['""', '"* * * *"', '"* * * * * *"', '"60 * * * *"', '"-1 * * * *"', '"* 24 * * *"', '"* * 0 * *"', '"* * 32 * *"', '"* * * 0 *"', '"* * * 13 *"', '"* * * * 8"',
        '"*/0 * * * *"', '"*/60 * * * *"', '"5-1 * * * *"', '"1, * * * *"', '"1,,2 * * * *"', '"5/2 * * * *"', '"* * * foo *"', '"* * * * mond"', '"@every"', '"@daily x"',
        '"@Daily"', '"* * * * * root id"', '"H * * * *"', '"L * * * *"', '"? * * * *"', '"* * * * 1#2"', '"+1 * * * *"', '"*-5 * * * *"', '"1-*/2 * * * *"', '"every day"',
        '"~ * * * *"', r'"*\n* * * *"', r'"* * * * *\n* * * * * root id"', r'"* * * * *\u0000"', r'"* * * * *\r"']
COMMAND = [r'"date +\\%s"', '"' + "a" * 991 + '"', '"' + "%" * 500 + '"', '""', '" "', r'"id\n* * * * * root id"', r'"a\u2028b"', *CONTROL]

FIELDS = {
    "line": {"path": TEXT, "line": TEXT, "match": TEXT, "insert_after": TEXT, "absent": BOOL},
    "edit": {"path": TEXT, "format": [*TEXT[:3], '"xml"', '"INI"'], "set": ['"a=1"', "5"], "unset": LIST},
    "sudoers": {"name": TEXT, "rules": LIST, "absent": BOOL},
    "authorized_key": {"user": TEXT, "key": TEXT, "options": LIST, "exclusive": BOOL, "absent": BOOL},
    "hosts": {"ip": TEXT, "names": LIST, "absent": BOOL},
    "limits": {"domain": TEXT, "type": [*TEXT[:3], '"both"', '"Soft"'], "item": [*TEXT[:3], '"files"', '"nofiles"'], "value": [], "absent": BOOL},
    "cron": {"name": TEXT, "user": TEXT, "spec": TEXT, "command": TEXT, "absent": BOOL},
    "assert": {"that": ['"yes"', "1", "[]", '""', '"1 ="', '"1 + 1"', "@@\"{{ 'x' }}\"", "@@\"{{ '{{ true }}' }}\"", '@@"{{ 1 }}"', '@@"{{ [] }}"', '@@"{{ true }}{{ true }}"',
                        '@@"{{ vars.nothing }}"', '@@"{{ 1 + }}"', '@@"{% if true %}true{% endif %}"'], "msg": TEXT},
}
HOSTILE = [
    ("line", "path", PATH, "a path"), ("line", "line", LINE, "a line"), ("line", "match", PATTERN, "regular expression"),
    ("line", "insert_after", PATTERN, "regular expression"), ("edit", "path", PATH, "a path"),
    ("sudoers", "name", [*NAME, '"hpt-user-ana"', '"hpt-group-web"'], ""), ("authorized_key", "user", ACCOUNT, "a user or group name is"),
    ("authorized_key", "key", PUBLIC, ""), ("hosts", "ip", IP, "an address is"), ("limits", "domain", DOMAIN, "a domain is"),
    ("limits", "value", VALUE, ""), ("cron", "name", NAME, "a name here"), ("cron", "user", ACCOUNT, "a user or group name is"),
    ("cron", "spec", SPEC, ""), ("cron", "command", COMMAND, ""), ("assert", "msg", LINE, "a line"),
]
LISTS = [
    ("sudoers", "rules", '"ana ALL=(ALL) ALL"', RULE, ""), ("authorized_key", "options", '"no-pty"', OPTION, "an option is"),
    ("hosts", "names", '"db"', HOST, "a host's name is"), ("edit", "unset", '"b"', ['""', '"."', '"a."', '".a"', '"a..b"', '"a b"', '"a=b"', '"a]"', '"[a]"', *CONTROL], "a key is named"),
]


def cases():
    for kind, fields in FIELDS.items():
        for field, values in fields.items():
            for value in values:
                yield "", wrong(kind, BASE[kind], field, value)
            yield from unknown(kind, BASE[kind], (field + "x", field[:-1] + "_", field.replace("_", "") + "q"))
    for kind, field, values, words in HOSTILE:
        for value in values:
            yield words, wrong(kind, BASE[kind], field, value)
    for kind, field, good, values, words in LISTS:
        for value in values:
            yield words, wrong(kind, BASE[kind], field, f"[{good}, @@{value}]")
    for kind, fields in BASE.items():
        for field in fields:
            if (kind, field) not in {("edit", "set"), ("sudoers", "rules"), ("hosts", "names")}:
                yield f"needs `{field}`", "@@" + block(kind, without(fields, field))
    yield from contradictions()


def contradictions():
    """Fields that are right each by itself and not together."""
    line, edit = '[[line]]\npath = "/a"\n', '[[edit]]\npath = "/a"\n'
    yield "is named by `line` or `match`", f"{line}absent = @@true\n"
    yield "is inserted nowhere", f'{line}line = "a"\ninsert_after = @@"b"\nabsent = true\n'
    yield "two blocks have the id", f'{line}line = "a"\n@@{line}line = "a"\n'
    yield "needs `set` or `unset`", f'@@{edit}format = "ini"\n'
    yield "`yaml` comes with a later version", f'{edit}format = @@"yaml"\nset = {{ a = 1 }}\n'
    for kind in ("ini", "env", "json", "toml"):
        yield "is not to be there", f'{edit}format = "{kind}"\nset = {{ a = 1 }}\nunset = @@["a"]\n'
    for value in ("[1]", "{}", r'"a\nb"', r'"a\u0000"', r'"a\u001b"', r'"a\rb"'):
        for kind in ("ini", "env"):
            yield "", f'{edit}format = "{kind}"\nset = @@{{ a = {value} }}\n'
    for name in ('""', '" a"', '"a "', '"a=b"', '"[a]"', '"#a"', '";a"', '"a]"', r'"a\nb"', r'"a\u0000"', r'"a\rb"'):
        yield "the name of a section or key", f'{edit}format = "ini"\nset = @@{{ {name} = 1 }}\n'
        yield "the name of a section or key", f'{edit}format = "ini"\nset = @@{{ {name} = {{ b = 1 }} }}\n'
    for name in ('""', '"a b"', '"1a"', '"a-b"', '"a.b"', '"A=B"', '"export A"', '"$A"', r'"a\nb"', '"ü"'):
        yield "the name of a variable", f'{edit}format = "env"\nset = @@{{ {name} = 1 }}\n'
    yield "begins or ends with a space", f'{edit}format = "ini"\nset = @@{{ a = " b" }}\n'
    yield "sections and keys", f'{edit}format = "ini"\nset = @@{{ a.b.c = 1 }}\n'
    yield "has no tables", f'{edit}format = "env"\nset = @@{{ a.b = 1 }}\n'
    for number in ("nan", "inf", "-inf"):
        yield "no infinite number", f'{edit}format = "json"\nset = @@{{ a = [{number}] }}\n'
    yield "deeper than this format goes", f'{edit}format = "ini"\nunset = @@["a.b.c"]\n'
    yield "deeper than this format goes", f'{edit}format = "env"\nunset = @@["a.b"]\n'
    yield "an absent file has no `rules`", block("sudoers", BASE["sudoers"]) + "absent = @@true\n"
    yield "[[sudoers]] needs `rules`", '@@[[sudoers]]\nname = "a"\n'
    for more in ("exclusive = true", 'options = ["no-pty"]'):
        yield "an absent key has no", block("authorized_key", BASE["authorized_key"]) + f"{more}\nabsent = @@true\n"
    yield "[[hosts]] needs `names`", '@@[[hosts]]\nip = "::1"\n'
    for item, value in (("nice", "-21"), ("nice", "20"), ("priority", "20"), ("nonewprivs", "2"), ("rtprio", "100"), ("nice", '"unlimited"'), ("nofile", "-1")):
        yield "", block("limits", BASE["limits"] | {"item": f'"{item}"', "value": f"@@{value}"})
    for field in ("spec", "command"):
        yield f"an absent file has no `{field}`", f'[[cron]]\nname = "a"\n{field} = {BASE["cron"][field]}\nabsent = @@true\n'
    yield "two blocks have the id `cron:a`", '[[cron]]\nname = "a"\nabsent = true\n@@[[cron]]\nname = "a"\nabsent = true\n'
