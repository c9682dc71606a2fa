#!/usr/bin/env python3
"""Writes the bad configs of this folder, from tables of what can be wrong. `@@` marks the place that hpt must name.

Each .txt holds many cases: a line `#--- LINE:COLUMN WORDS`, then the config. WORDS must be in what hpt says."""

from pathlib import Path

HERE = Path(__file__).parent

# What each kind needs so that only the case's own line is wrong.
BASE = {
    "package": {"name": '"nginx"'},
    "group": {"name": '"web"'},
    "user": {"name": '"ana"'},
    "file": {"path": '"/etc/x"', "content": '""'},
    "clone": {"url": '"https://git.example.org/x"', "dest": '"/opt/x"'},
    "exec": {"script": '"true"', "always": "true"},
    "service": {"name": '"nginx"', "status": '"started"'},
}

TEXT = ["5", "true", "[]", "{}", "1.5", "1979-05-27"]
BOOL = ['"yes"', "1", "[]", '"true"']
NUMBER = ['"x"', "true", "-1", "1.5", "99999999999", "[]"]
LIST = ['"one"', "5", "[@@1]", "[@@true]"]
FIELDS = {
    "package": {"name": TEXT, "names": LIST, "state": [*TEXT[:3], '"present"', '"Installed"'], "version": TEXT,
                "manager": ['"dnf"', '"pip"', "5"], "update_cache": BOOL, "absent": BOOL},
    "group": {"name": TEXT, "gid": NUMBER, "system": BOOL, "members": LIST, "passwordless_sudo": BOOL, "absent": BOOL},
    "user": {"name": TEXT, "uid": NUMBER, "group": TEXT, "home": TEXT, "create_home": BOOL, "shell": TEXT, "groups": LIST,
             "groups_exclusive": BOOL, "system": BOOL, "comment": TEXT, "password_hash": TEXT, "locked": BOOL,
             "ssh_public_key": TEXT, "ssh_private_key": TEXT, "authorized_keys": LIST, "authorized_exclusive": BOOL,
             "sudo": TEXT, "absent": BOOL, "remove_home": BOOL},
    "file": {"path": TEXT, "source": TEXT, "content": TEXT, "template": TEXT, "template_vars": ['"x"', "5", "[]"],
             "symlink_to": TEXT, "dir": BOOL, "owner": TEXT, "group": TEXT, "sha256": TEXT, "verify": TEXT,
             "overwrite": BOOL, "allow_setuid": BOOL, "absent": BOOL, "recurse": BOOL},
    "clone": {"url": TEXT, "dest": TEXT, "rev": TEXT, "depth": NUMBER, "submodules": BOOL, "owner": TEXT, "update": BOOL,
              "force": BOOL, "key": TEXT, "known_hosts": TEXT, "user": TEXT, "password": TEXT},
    "exec": {"script": TEXT, "cmd": TEXT, "args": LIST, "interpreter": TEXT, "user": TEXT, "group": TEXT, "pwd": TEXT,
             "env": ['"A=b"', "5", "[]", "{ A = @@1 }"], "stdin": TEXT, "creates": TEXT, "removes": TEXT, "unless": TEXT,
             "only_if": TEXT, "always": BOOL, "changes": LIST, "timeout": ['"5 minutes"', '"m"', '"-5s"', "-1", "true", "[]"],
             "success": ['0', '"0"', '[@@"0"]']},
    "service": {"name": TEXT, "status": [*TEXT[:3], '"running"', '"Started"'], "enabled": BOOL},
}

# Values that a tool could take for something else: an option, a path elsewhere, a second line, a second word.
CONTROL = [r'"a\nb"', r'"a\u0000b"', r'"a\rb"', r'"\u001b[2J"', r'"a\u007f"']
ACCOUNT = ['""', '"-x"', '"--help"', '"a b"', '"Ana"', '"1a"', '"a:b"', '"a/b"', '"../x"', '"a;id"', '"$(id)"', '"a,b"', '"a@b"',
           '"ümit"', '"a​b"', '"аna"', '"a!"', '"a*"', '"' + "a" * 33 + '"', *CONTROL]
PACKAGE = ['""', '"-y"', '"nginx-"', '"nginx/stable"', '"./evil.deb"', '"/tmp/x.deb"', '"a"', '"Nginx"', '"nginx=1"', '"nginx^"',
           '"nginx~"', '"ng*nx"', '"nginx git"', '"a;id"', '"$(id)"', '"ngïnx"', '"x:"', '"x:-a"', '":amd64"', '"+x"', *CONTROL]
PATH = ['""', '"etc/x"', '"./x"', '"../x"', '"/etc/../x"', '"/etc/./x"', '"/etc//x"', '"~/x"', '"$HOME/x"', '"-x"', '"C:\\\\x"',
        '"/' + "a" * 4096 + '"', *CONTROL]
UNIT = ['""', '"-x"', '"--now"', '"../x.service"', '"/etc/x.service"', '"a b"', '"a;b"', '"a/b"', '"nginx.conf/x"', '".service"',
        '"$(id)"', '"ünit"', '"a*"', '"a?b"', '"[a]"', '"' + "a" * 260 + '"', *CONTROL]
URL = ['""', '"/srv/git"', '"file:///srv/git"', '"git://h/p"', '"http://h/p"', '"ext::sh -c id"', '"ssh://-oProxyCommand=id/p"',
       '"-u@h:p"', '"git@-h:p"', '"git@h:-p"', '"https://u:p@h/x"', '"https://h"', '"https:///x"', '"h:p"', '"https://h/a b"',
       '"--upload-pack=id"', '"ftp://h/p"', '"https://h;id/x"', '"https://$(id)/x"', *CONTROL]
REV = ['""', '"-x"', '"--exec=id"', '"a..b"', '"a b"', '"a~1"', '"a^"', '"a:b"', '"@{-1}"', '"a.lock"', '"/a"', '".a"', '"a/"', '"a;id"',
       '"a$b"', *CONTROL]
VERSION = ['""', '"-1"', '"1 2"', '"1;id"', '"1/2"', '"$(id)"', '"1=2"', '"1*"', '"+1"', '"~1"', *CONTROL]
SOURCE = ['""', '"http://h/p"', '"ftp://h/p"', '"nobucket://x"', '"a b://x"', '"://x"', '"https://h/p"', *CONTROL]
SHA = ['""', '"abc"', '"' + "g" * 64 + '"', '"' + "a" * 63 + '"']
MODE = ['"644x"', '"9"', '"08"', '"00644"', '"rw-r--r--"', '"-644"', '"0888"', '"u+x"', '""', "644", "0x1ff", "600", "true", "6.44", '"4755"', '"2755"']
HOSTILE = [
    ("user", "name", ACCOUNT), ("group", "name", ACCOUNT), ("file", "owner", ACCOUNT), ("exec", "user", ACCOUNT),
    ("package", "name", PACKAGE), ("package", "version", VERSION), ("file", "path", PATH), ("clone", "dest", PATH),
    ("exec", "pwd", PATH), ("user", "home", PATH), ("service", "name", UNIT), ("clone", "url", URL), ("clone", "rev", REV),
    ("file", "source", SOURCE), ("file", "sha256", SHA), ("file", "mode", MODE),
]


def block(kind, field, value):
    lines = [f"{f} = {v}" for f, v in BASE[kind].items() if f != field and not (field in ("source", "template", "symlink_to", "dir") and f == "content")
             and not (field == "cmd" and f == "script")]
    head, mark = ("", "") if "@@" in value else ("", "@@")
    if field == "source" and value.startswith(('"nobucket', '"https')):
        head, mark = "@@", ""  # judged once all blocks are read: the block is named
    return f"{head}[[{kind}]]\n" + "".join(f"{line}\n" for line in lines) + f"{field} = {mark}{value}\n"


def write(name, cases):
    out = []
    for words, text in cases:
        at = text.index("@@")
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        out.append(f"#--- {line}:{column} {words}\n{text.replace('@@', '', 1)}")
    (HERE / f"{name}.txt").write_text("".join(out))
    return len(out)


def types():
    for kind, fields in FIELDS.items():
        for field, values in fields.items():
            for value in values:
                if (kind, field, value) in {("file", "template_vars", "[]"), ("exec", "env", "[]")}:
                    continue
                yield "", block(kind, field, value)


def unknown():
    for kind, fields in FIELDS.items():
        for field in fields:
            for wrong in (field + "x", field[:-1] + "_", field.replace("_", "") + "q"):
                if wrong not in fields:
                    text = block(kind, "zzz", "1").replace("zzz = @@1", f"@@{wrong} = 1")
                    yield f"unknown field `{wrong}`", text


def hostile():
    for kind, field, values in HOSTILE:
        for value in values:
            yield "", block(kind, field, value)


def shape():
    """Faults of the whole: syntax, what stands twice, what contradicts itself, what comes later."""
    yield "leading zero", '[[file]]\npath = "/a"\nperms = @@0600\n'
    yield "", '[[file]]\npath = "/a"\nmode = @@0644\n'
    yield "is a list of blocks", '@@[file]\npath = "/a"\n'
    yield "no block or table named", '[[@@services]]\nname = "nginx"\n'
    yield "no block or table named", '@@pakages = ["git"]\n'
    yield "later version", '[[@@firewall]]\ndefault = "drop"\n'
    yield "later version", '[[@@cron]]\nname = "x"\n'
    yield "two blocks have the id", '[[group]]\nname = "a"\n@@[[group]]\nname = "a"\n'
    yield "two blocks have the id", '[[group]]\nid = "x"\nname = "a"\n[[user]]\nid = @@"x"\nname = "a"\n'
    for key in ("when", "for_each", "tags", "notify", "on_error", "retries", "delay", "confirm"):
        yield "later version", f'[[group]]\nname = "a"\n{key} = @@"x"\n'
    yield "stands before this one", '[[group]]\nname = "a"\nafter = [@@"group:b"]\n[[group]]\nname = "b"\n'
    for key, value in (("id", "5"), ("id", '""'), ("desc", "5"), ("sensitive", '"yes"'), ("after", '"x"'), ("after", "5")):
        yield "", f'[[group]]\nname = "a"\n{key} = @@{value}\n'
    for one, two in (("source", "content"), ("source", "template"), ("content", "template"), ("template", "symlink_to")):
        yield "not both", f'[[file]]\npath = "/a"\n{one} = "x"\n{two} = @@"y"\n'
    yield "not both", '[[exec]]\nscript = "x"\ncmd = @@"/bin/x"\nalways = true\n'
    yield "not both", '[[exec]]\nscript = "x"\nunless = "x"\nonly_if = @@"y"\n'
    yield "absolute path", '[[exec]]\ncmd = @@"ls"\nalways = true\n'
    yield "contradicts", '[[exec]]\nscript = "x"\ncreates = "/x"\nalways = @@true\n'
    yield "needs `name` or `names`", '@@[[package]]\nstate = "installed"\n'
    yield "needs `status` or `enabled`", '@@[[service]]\nname = "nginx"\n'
    for kind, base in BASE.items():
        for field in base:
            if (kind, field) not in {("package", "name"), ("file", "content"), ("exec", "script"), ("exec", "always"), ("service", "status")}:
                rest = "".join(f"{f} = {v}\n" for f, v in base.items() if f != field)
                yield f"needs `{field}`", f"@@[[{kind}]]\n{rest}"
    for variable in ('{ "LD_PRELOAD" = "x" }', '{ "HPT_KEYSTORE" = "x" }', '{ "1A" = "x" }', '{ "A B" = "x" }', '{ "" = "x" }', '{ "A=B" = "x" }'):
        yield "", f'[[exec]]\nscript = "x"\nalways = true\nenv = @@{variable}\n'
    for expression in ("{{ vars.nothing }}", "{{ nothing }}", "{% if %}", "{{ 1 +", "{{ vars }", "{% include '/etc/passwd' %}", "{{ x | nofilter }}", "{% for %}"):
        yield "", f'[[file]]\npath = "/a"\ncontent = @@"{expression} x"\n'
    for line in ("[vars@@", "[vars]@@]", "a = @@", "@@= 5", "a @@b = 5", '"a = 5@@', "a = 'x@@", "a = [1@@", "a = {b = 1@@", "[[x]@@", "a = @@1 2",
                 "a = @@tru", "a = 1@@__0", "a = @@2020-13-01", 'a = "\\@@q"', "a.b.c@@"):
        yield "", f"# fine\n{line}\n"


def main():
    counts = {
        "types": write("types", types()),
        "unknown": write("unknown", unknown()),
        "hostile": write("hostile", hostile()),
        "shape": write("shape", shape()),
    }
    print(counts, sum(counts.values()))


main()
