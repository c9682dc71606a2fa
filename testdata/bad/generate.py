#!/usr/bin/env python3
"""Writes the bad configs of this folder, from tables of what can be wrong. `@@` marks the place that hpt must name.

Each .txt holds many cases: a line `#--- LINE:COLUMN WORDS`, then the config. WORDS must be in what hpt says."""

from pathlib import Path

import fetched
import include
import one_file
import pieces
import system
from pieces import ACCOUNT, BOOL, CONTROL, LIST, PATH, TEXT, without

HERE = Path(__file__).parent

PGP = '"""' + (HERE.parent / "keys/lab.asc").read_text() + '"""'

# What each kind needs so that only the case's own line is wrong.
BASE = {
    "package": {"name": '"nginx"'},
    "group": {"name": '"web"'},
    "user": {"name": '"ana"'},
    "file": {"path": '"/etc/x"', "content": '""'},
    "clone": {"url": '"https://git.example.org/x"', "dest": '"/opt/x"'},
    "exec": {"script": '"true"', "always": "true"},
    "service": {"name": '"nginx"', "status": '"started"'},
    "package_repo": {"name": '"lab"', "uris": '["https://repo.example.org/x"]', "key": PGP},
    "unit": {"name": '"app.service"', "content": r'"[Service]\nExecStart=/bin/x\n[Install]\nWantedBy=multi-user.target\n"'},
    "dropin": {"unit": '"app.service"', "name": '"10-a"', "content": r'"[Service]\nNice=5\n"'},
    "timer": {"name": '"backup"', "on_calendar": '"03:15"', "command": '"/bin/x"'},
}

NUMBER = ['"x"', "true", "-1", "1.5", "99999999999", "[]"]
GROUP = TEXT[1:]  # a number of it is fine
TIME = ['"5 minutes"', '"m"', '"-5s"', "-1", "true", "[]", '"1d"', '"5min"']
SECTION = ['"x"', "5", "[]", "[{}]", "{ A = @@1.5 }", "{ A = @@{ B = 1 } }", "{ A = [@@[]] }", "{ A = [1, @@1979-05-27] }"]
SECTIONS = ["Unit", "Service", "Install", "Timer", "Socket", "Path", "Mount", "Automount", "Swap", "Slice"]
WORDS = [(TEXT, "expected a string"), (GROUP, "expected a string"), (BOOL, "expected a boolean"), (NUMBER, "expected a whole number"), (LIST, "expected")]
FIELDS = {
    "package": {"name": TEXT, "names": LIST, "state": [*TEXT[:3], '"present"', '"Installed"'], "version": TEXT,
                "manager": ['"DNF"', '"pip"', "5"], "hold": BOOL, "update_cache": BOOL, "absent": BOOL},
    "group": {"name": TEXT, "gid": NUMBER, "system": BOOL, "members": LIST, "passwordless_sudo": BOOL, "absent": BOOL},
    "user": {"name": TEXT, "uid": NUMBER, "group": GROUP, "home": TEXT, "create_home": BOOL, "shell": TEXT, "groups": LIST,
             "groups_exclusive": BOOL, "system": BOOL, "comment": TEXT, "password_hash": TEXT, "locked": BOOL,
             "ssh_public_key": TEXT, "ssh_private_key": TEXT, "authorized_keys": LIST, "authorized_exclusive": BOOL,
             "sudo": TEXT, "absent": BOOL, "remove_home": BOOL, "expires": TEXT},
    "file": {"path": TEXT, "source": TEXT, "content": TEXT, "template": TEXT, "template_vars": ['"x"', "5", "[]"],
             "symlink_to": TEXT, "dir": BOOL, "owner": TEXT, "group": TEXT, "sha256": TEXT, "verify": TEXT,
             "overwrite": BOOL, "allow_setuid": BOOL, "absent": BOOL, "recurse": BOOL, "purge": BOOL, "backup": BOOL},
    "clone": {"url": TEXT, "dest": TEXT, "rev": TEXT, "depth": NUMBER, "submodules": BOOL, "owner": TEXT, "update": BOOL,
              "force": BOOL, "key": TEXT, "known_hosts": TEXT, "user": TEXT, "password": TEXT},
    "exec": {"script": TEXT, "cmd": TEXT, "args": LIST, "interpreter": TEXT, "user": TEXT, "group": TEXT, "pwd": TEXT,
             "env": ['"A=b"', "5", "[]", "{ A = @@1 }"], "stdin": TEXT, "creates": TEXT, "removes": TEXT, "unless": TEXT,
             "only_if": TEXT, "always": BOOL, "changes": LIST, "timeout": ['"5 minutes"', '"m"', '"-5s"', "-1", "true", "[]"],
             "success": ['0', '"0"', '[@@"0"]']},
    "package_repo": {"name": TEXT, "uris": LIST, "suites": LIST, "components": LIST, "key": TEXT, "source": TEXT, "sha256": TEXT,
                     "fingerprint": TEXT, "priority": ['"x"', "true", "-1", "1.5", "65536", "[]"], "absent": BOOL},
    "service": {"name": TEXT, "status": [*TEXT[:3], '"running"', '"Started"'], "enabled": BOOL, "masked": BOOL, "scope": TEXT,
                "wait_active": TIME},
    "unit": {"name": TEXT, "content": TEXT, "enabled": BOOL, "state": [*TEXT[:3], '"running"', '"restarted"'], "verify": BOOL, "absent": BOOL}
    | dict.fromkeys(SECTIONS, SECTION),
    "dropin": {"unit": TEXT, "name": TEXT, "content": TEXT, "absent": BOOL} | dict.fromkeys(SECTIONS, SECTION),
    "timer": {"name": TEXT, "on_calendar": TEXT, "on_boot": TIME, "persistent": BOOL, "randomized_delay": TIME, "command": TEXT,
              "user": TEXT, "absent": BOOL},
}

PACKAGE = ['""', '"-y"', '"nginx-"', '"nginx/stable"', '"./evil.deb"', '"/tmp/x.deb"', '"a"', '"nginx@1"', '"nginx=1"', '"nginx^"',
           '"nginx~"', '"ng*nx"', '"nginx git"', '"a;id"', '"$(id)"', '"ngïnx"', '"x:"', '"x:-a"', '":amd64"', '"+x"', *CONTROL]
UNIT = ['""', '"-x"', '"--now"', '"../x.service"', '"/etc/x.service"', '"a b"', '"a;b"', '"a/b"', '"nginx.conf/x"', '".service"',
        '"$(id)"', '"ünit"', '"a*"', '"a?b"', '"[a]"', '"' + "a" * 260 + '"', *CONTROL]
URL = ['""', '"/srv/git"', '"file:///srv/git"', '"git://h/p"', '"http://h/p"', '"ext::sh -c id"', '"ssh://-oProxyCommand=id/p"',
       '"-u@h:p"', '"git@-h:p"', '"git@h:-p"', '"https://u:p@h/x"', '"https://h"', '"https:///x"', '"h:p"', '"https://h/a b"',
       '"--upload-pack=id"', '"ftp://h/p"', '"https://h;id/x"', '"https://$(id)/x"', *CONTROL]
REV = ['""', '"-x"', '"--exec=id"', '"a..b"', '"a b"', '"a~1"', '"a^"', '"a:b"', '"@{-1}"', '"a.lock"', '"/a"', '".a"', '"a/"', '"a;id"',
       '"a$b"', *CONTROL]
REPO = ['""', '"-x"', '"Lab"', '"a b"', '"a/b"', '"../x"', '"a.list"', '"a]"', '"main"', '"a;id"', '"$(id)"', '"_x"', '"lab\u00fc"', '"' + "a" * 65 + '"', *CONTROL]
URIS = ['""', '"/srv"', '"ftp://h/p"', '"file://h/p"', '"https://"', '"https:///p"', '"https://u:p@h/x"', '"https://h/a b"', '"https://-h/x"',
        '"http://h/$(id)"', '"https://h/$x"', '"cdrom:x"', '"copy:/x"', '"ssh://h/p"', '"[trusted=yes] https://h/x"', '"https://h/x [trusted=yes]"',
        '"https://h/;id"', '"https://h/../x"', '"https://h/<x>"', '"https://h/#x"', '"mirror+file:/x"', *CONTROL]
SUITES = ['""', '"-x"', '"a b"', '"a;id"', '"../x"', '"a//b"', '"/etc/"', '"$(id)"', '"[trusted=yes]"', '"a\\tb"', '"' + "a" * 129 + '"', *CONTROL]
PRINTS = ['""', '"abc"', '"0EBFCD88"', '"' + "g" * 40 + '"', '"' + "a" * 41 + '"', *CONTROL]
KEYS = ['""', '"x"', '"/usr/share/keyrings/x.gpg"', '"-----BEGIN PGP PUBLIC KEY BLOCK-----"', '"-----BEGIN PGP PRIVATE KEY BLOCK-----"',
        '"-----BEGIN CERTIFICATE-----"', '"https://h/key.asc"']
VERSION = ['""', '"-1"', '"1 2"', '"1;id"', '"1/2"', '"$(id)"', '"1=2"', '"1*"', '"+1"', '"~1"', *CONTROL]
SOURCE = ['""', '"http://h/p"', '"ftp://h/p"', '"a b://x"', '"://x"', *CONTROL]
SHA = ['""', '"abc"', '"' + "g" * 64 + '"', '"' + "a" * 63 + '"']
DROPIN = ['""', '"-x"', '"--help"', '"../x"', '"a/b"', '"/etc/x"', '".x"', '"a b"', '"a;id"', '"$(id)"', '"a*"', '"ü"', '".conf"',
          '"' + "a" * 201 + '"', *CONTROL]
CALENDAR = ['""', '" "', '"--help"', '"-x"', '"03:15 "', '" 03:15"', '"03:15;id"', '"$(id)"', '"03:15 `id`"', '"funday"', '"3"', '"*"', '"%i"',
            '"03:"', '"1:2:3:4"', '"daily daily"', '"UTC"', '"daily ../../etc"', '"@5"', '"tomorrow"', '"now"', '"03:15 # x"', '"../x"', '"*/5 * * * *"',
            '"0 3 * * *"', '"' + "1," * 200 + '1:00"', *CONTROL]
COMMAND = ['""', '" "', '"ls"', '"./x"', '"~/x"', '"$HOME/x"', '"-/bin/x"', '"+/bin/x"', '"@/bin/x x"', '"!/bin/x"', '":/bin/x"', '"/bin/../x"', '"/bin//x"', '"/"',
           '"/bin/x | /bin/y"', '"/bin/x; id"', '"/bin/x ; /bin/y"', '"/bin/x && y"', '"/bin/x & y"', '"/bin/x > /y"', '"/bin/x < /y"', '"/bin/x $HOME"',
           '"/bin/x $(id)"', '"/bin/x `id`"', '"/bin/x (y)"', """ "/bin/x 'a" """.strip(), r'"/bin/x \"a"', r'"/bin/x \\"', '"/bin/%n"', """ "'/bin/a b' c" """.strip(),
           '"/bin/x' + "a" * 33000 + '"', *CONTROL]
KEY = ['""', '"a b"', '"A=B"', '"[A]"', '"1A"', '"-A"', '"#A"', '";A"', '"Ä"', '"A.b"', '"A_b"', r'"A\nB"']
VALUE = [r'"a\\"', '" a"', '"a "', '" "', r'"a\tb"', r'"/bin/x\nUser=root"', r'"/bin/x\n[Install]"', *CONTROL]
UNIT_TEXT = ['""', '" "', r'"\n\n"', '"# only"', '"[Service]"', '"A=1"', r'"[Service\nA=1"', r'"[]\nA=1"', r'"[Service]\nA"', r'"[Service]\n=1"',
             r'"[Service]\nA b=1"', r'"[Service]\nA=1 \\"', r'"[Service]\nA=\u0000"', r'"[Service]\nA=1\rB=2"', r'"[Service]\nA=\u001b[2J"', r'"[Se rvice]\nA=1"']
MODE = ['"644x"', '"9"', '"08"', '"00644"', '"rw-r--r--"', '"-644"', '"0888"', '"u+x"', '""', "644", "0x1ff", "600", "true", "6.44", '"4755"', '"2755"']
HOSTILE = [
    ("user", "name", ACCOUNT, "a user or group name is"), ("group", "name", ACCOUNT, "a user or group name is"),
    ("file", "owner", ACCOUNT, "a user or group name is"), ("exec", "user", ACCOUNT, "a user or group name is"),
    ("package", "name", PACKAGE, "a package name"), ("package", "version", VERSION, "a version is"),
    ("file", "path", PATH, "a path"), ("clone", "dest", PATH, "a path"), ("exec", "pwd", PATH, "a path"),
    ("user", "home", PATH, "a path"), ("service", "name", UNIT, "a unit name is"), ("clone", "url", URL, "URL"),
    ("clone", "rev", REV, "a rev is"), ("file", "source", SOURCE, ""), ("file", "sha256", SHA, "64 hexadecimal digits"),
    ("file", "mode", MODE, ""), ("package_repo", "name", REPO, "a repository's name is"), ("package_repo", "key", KEYS, "key"),
    ("package_repo", "fingerprint", PRINTS, "a fingerprint is"),
    ("unit", "name", UNIT, "a unit name is"), ("dropin", "unit", UNIT, "a unit name is"), ("dropin", "name", DROPIN, "a drop-in's name is"),
    ("timer", "name", UNIT, ""), ("timer", "user", ACCOUNT, "a user or group name is"),
    ("timer", "on_calendar", CALENDAR, "a calendar expression"), ("timer", "command", COMMAND, "command"),
    ("service", "scope", ['"User:ana"', '"global"', '"system "', '"ana"', '"user"', *(f'"user:{name[1:]}' for name in ACCOUNT)], "`scope` is"),
    *((kind, "Service", [f"{{ @@{key} = 1 }}" for key in KEY], "a key of a unit") for kind in ("unit", "dropin")),
    *((kind, "Service", [f"{{ ExecStart = @@{value} }}" for value in VALUE], "a value of a unit") for kind in ("unit", "dropin")),
    *((kind, "Service", [f'{{ ExecStart = ["/bin/x", @@{value}] }}' for value in VALUE], "a value of a unit") for kind in ("unit", "dropin")),
    *((kind, "content", UNIT_TEXT, "") for kind in ("unit", "dropin")),
]
# The same in lists, where the one wrong entry must be named and not the list.
LISTS = [
    ("user", "groups", '"adm"', ACCOUNT, "a user or group name is"), ("group", "members", '"bo"', ACCOUNT, "a user or group name is"),
    ("package_repo", "uris", '"https://h/x"', URIS, "address"), ("package_repo", "suites", '"bookworm"', SUITES, "a suite is"),
    ("package_repo", "components", '"main"', SUITES, "a component is"),
    ("package", "names", '"git"', PACKAGE, "a package name"), ("exec", "changes", '"/a"', PATH, "a path"),
]
# Fields and blocks of the language that come with a later version.
LATER = {
    "file": ["selinux"],
}
LATER_KINDS = [
    "container", "capability", "need", "provide",
]


def block(kind, field, value):
    """One whose last line is wrong; what goes not with it is left out."""
    instead = {"source": "content", "template": "content", "symlink_to": "content", "dir": "content", "cmd": "script"}
    return pieces.wrong(kind, without(BASE[kind], instead.get(field)), field, value)


def write(name, cases):
    out = []
    for words, text in cases:
        at = text.index("@@")
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        out.append(f"#--- {line}:{column} {words}\n{text.replace('@@', '', 1)}")
    (HERE / f"{name}.txt").write_text("".join(out))
    return len(out)


def write_trees(name, cases):
    """Configs of many files: the place is FILE:LINE:COLUMN."""
    out = []
    for words, text in cases:
        at = text.index("@@")
        file = text.rindex("#=== ", 0, at)
        begin = text.index("\n", file) + 1
        line = text.count("\n", begin, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        out.append(f"#--- {text[file + 5:begin - 1]}:{line}:{column} {words}\n{text.replace('@@', '', 1)}")
    (HERE / f"../trees/{name}.txt").write_text("".join(out))
    return len(out)


def types():
    for kind, fields in FIELDS.items():
        for field, values in fields.items():
            for value in values:
                if (kind, field, value) in {("file", "template_vars", "[]"), ("exec", "env", "[]")}:
                    continue
                if (kind, field, value) == ("user", "group", "5"):  # a number is one
                    yield "expected the number of a group", block(kind, field, "-5")
                    continue
                words = next((words for values_, words in WORDS if values is values_), "")
                yield words, block(kind, field, value)


def unknown():
    for kind, fields in FIELDS.items():
        for field in fields:
            for wrong in (field + "x", field[:-1] + "_", field.replace("_", "") + "q"):
                if wrong not in fields:
                    text = block(kind, "zzz", "1").replace("zzz = @@1", f"@@{wrong} = 1")
                    yield f"unknown field `{wrong}`", text


def hostile():
    for kind, field, values, words in HOSTILE:
        for value in values:
            yield words, block(kind, field, value)


def lists():
    for kind, field, good, values, words in LISTS:
        for value in values:
            text = block(kind, field, f"[{good}, @@{value}]")
            yield words, text.replace('name = "nginx"\n', "", 1) if field == "names" else text
    for value in PACKAGE:
        yield "a package name", f'packages = ["git", @@{value}, "curl"]\n'


def contradictions():
    """Fields that are right each by itself and not together."""
    package = '[[package]]\nname = "git"\n'
    yield "comes with a later version", f'{package}manager = @@"brew"\n'
    yield "an absent package is not held", f"{package}absent = true\nhold = @@true\n"
    yield "an absent package is not held", f'{package}state = "absent"\nhold = @@false\n'
    yield "either held or latest", f'{package}state = "latest"\nhold = @@true\n'
    repo, uris = '[[package_repo]]\nname = "lab"\n', 'uris = ["https://h/x"]\n'
    key = f"key = {PGP}\n"
    yield "needs `uris`", f"@@{repo}{key}"
    yield "needs `key`", f"@@{repo}{uris}"
    yield "not both", f'{repo}{uris}{key}source = @@"a.asc"\n'
    yield "needs its `fingerprint`", f'{repo}{uris}source = @@"a.asc"\n'
    yield "`sha256` goes with `source`", f"{repo}{uris}{key}sha256 = @@" + f'"{"a" * 64}"\n'
    yield "64 hexadecimal digits", f'{repo}{uris}source = "a.asc"\nfingerprint = "{"a" * 40}"\nsha256 = @@"abc"\n'
    yield "the key's fingerprint is", f'{repo}{uris}{key}fingerprint = @@"{"a" * 40}"\n'
    yield "1 to 1001", f"{repo}{uris}{key}priority = @@0\n"
    yield "1 to 1001", f"{repo}{uris}{key}priority = @@1002\n"
    yield "suites need `components`", f'{repo}{uris}{key}suites = @@["bookworm"]\n'
    yield "`components` goes with `suites`", f'{repo}{uris}{key}components = @@["main"]\n'
    yield "ends in `/` has no components", f'{repo}{uris}{key}suites = ["x/"]\ncomponents = @@["main"]\n'
    file, link = '[[file]]\npath = "/a"\n', '[[file]]\npath = "/a"\nsymlink_to = "/b"\n'
    for one in ("content", "source", "template", "symlink_to"):
        yield f"an absent file has no `{one}`", f'{file}{one} = "/x"\nabsent = @@true\n'
        yield f"either `{one}` or `dir`", f'{file}{one} = "/x"\ndir = @@true\n'
    for key, value in (("mode", '"0644"'), ("owner", '"ana"'), ("group", '"ana"')):
        yield f"a symbolic link has no `{key}`", f"{link}{key} = @@{value}\n"
    for key, value in (("verify", '"/bin/true %s"'), ("overwrite", "false"), ("template_vars", "{ a = 1 }"), ("sha256", '"' + "a" * 64 + '"')):
        yield f"`{key}` goes with", f"{file}dir = true\n{key} = @@{value}\n"
    yield "`/` is never removed", '[[file]]\npath = @@"/"\nabsent = true\nrecurse = true\n'
    for old, new, kind, rest, value in (
        ("perms", "mode", "file", 'path = "/a"\ncontent = ""', '"0600"'), ("url", "source", "file", 'path = "/a"', '"x"'),
        ("remove", "absent", "file", 'path = "/a"', "true"), ("remove", "absent", "user", 'name = "a"', "true"),
        ("remove", "absent", "group", 'name = "a"', "true"), ("dir", "pwd", "exec", 'script = "x"\nalways = true', '"/a"'),
        ("URL", "url", "clone", 'dest = "/a"', '"https://h/p"'), ("gid", "group", "user", 'name = "a"', '"web"'),
    ):
        yield f"`{old}` and `{new}` are the same field", f"[[{kind}]]\n{rest}\n@@{old} = {value}\n{new} = {value}\n"
    unit, service = '[[unit]]\nname = "a"\n', "Service = { ExecStart = \"/bin/x\" }\n"
    yield "either `content` or sections", f'{unit}content = @@"[Service]\\nA=1"\n{service}'
    yield "what is absent has no content", f"{unit}{service}absent = @@true\n"
    for more in ("enabled = @@false", 'state = @@"stopped"'):
        yield "an absent unit has no", f"{unit}{more}\nabsent = true\n"
    yield "with an [Install] section", f"{unit}{service}enabled = @@true\n"
    yield "no unit file", f'[[unit]]\nname = @@"a.scope"\n{service}'
    yield "a template is not started", f'[[unit]]\nname = "a@"\n{service}state = @@"started"\n'
    yield "a oneshot ends", f'{unit}Service = {{ Type = "oneshot", ExecStart = "/bin/x" }}\nstate = @@"started"\n'
    for kind, rest in (("unit", 'name = "a"'), ("dropin", 'unit = "a"\nname = "b"')):
        yield "this needs `content`", f"@@[[{kind}]]\n{rest}\n"
    yield "what is absent has no content", '[[dropin]]\nunit = "a"\nname = "b"\ncontent = "[Service]\\nA=1"\nabsent = @@true\n'
    yield "needs `command`", '@@[[timer]]\nname = "a"\non_boot = 5\n'
    yield "needs `on_calendar` or `on_boot`", '@@[[timer]]\nname = "a"\ncommand = "/bin/x"\n'
    yield "`persistent` goes with", '[[timer]]\nname = "a"\ncommand = "/bin/x"\non_boot = 5\npersistent = @@true\n'
    for field in ("on_boot", "randomized_delay"):
        yield "at most 366 days", f'[[timer]]\nname = "a"\ncommand = "/bin/x"\non_calendar = "daily"\n{field} = @@"9000h"\n'
    nginx = '[[service]]\nname = "nginx"\n'
    for more in ('status = "started"', 'status = "restarted"', "enabled = true"):
        yield "neither started nor enabled", f"{nginx}{more}\nmasked = @@true\n"
    for more in ('status = "stopped"', "enabled = true"):
        yield "`wait_active` goes with", f"{nginx}{more}\nwait_active = @@5\n"
    for time in ("0", '"0s"', '"11m"', "601"):
        yield "at least a second and at most 10 minutes", f'{nginx}status = "started"\nwait_active = @@{time}\n'
    yield "`args` goes with `cmd`", '[[exec]]\nscript = "x"\nargs = @@["y"]\nalways = true\n'
    for guard in ("creates", "removes", "unless", "only_if"):
        yield "`always` contradicts", f'[[exec]]\nscript = "x"\n{guard} = "/a"\nalways = @@true\n'
    for text in ('script = "a\\u0000b"', 'cmd = "/bin/x"\nargs = ["a\\u0000"]', 'script = "x"\nenv = { A = "\\u0000" }'):
        yield "a command holds no NUL", f"@@[[exec]]\n{text}\nalways = true\n"
    for time in ('"25h"', '"0s"', "0", "86401"):
        yield "at least a second and at most 24 hours", f'[[exec]]\nscript = "x"\nalways = true\ntimeout = @@{time}\n'
    for state in ('state = "latest"', "absent = true", 'state = "absent"'):
        yield "`version` goes with one package", f'[[package]]\nname = "git"\n{state}\nversion = @@"1"\n'
    yield "`version` goes with one package", '[[package]]\nnames = ["git", "curl"]\nversion = @@"1"\n'
    yield "`name` and `names` are the same field", '[[package]]\nname = "git"\nnames = @@["curl"]\n'
    yield "either absent or latest", '[[package]]\nname = "git"\nstate = "latest"\nabsent = @@true\n'
    for more in ("passwordless_sudo = true", 'members = ["ana"]'):
        yield "an absent group has no members", f'[[group]]\nname = "a"\n{more}\nabsent = @@true\n'
    yield "root is never removed", '[[user]]\nname = "root"\nabsent = @@true\n'
    yield "`remove_home` goes with", '[[user]]\nname = "a"\nremove_home = @@true\n'
    for key in ('""', '"ana"', '"ssh-ed25519"', '"ssh-ed25519 ana"', '"AAAAC3Nza ana"', '"ssh-rsa AAAA\\nssh-rsa AAAA"', '"#"'):
        yield "a public key is one line", f'[[user]]\nname = "a"\nauthorized_keys = @@[{key}]\n'
    for value in ('"a:b"', *CONTROL):
        yield "a comment holds no", f'[[user]]\nname = "a"\ncomment = @@{value}\n'
    for value in CONTROL:
        yield "a line holds no line breaks", f'[[user]]\nname = "a"\nsudo = @@{value}\n'
    for value in ('"hunter2"', '""', '"$6$a:b"', '"$6$ a"', '"$6$a\\n"'):
        yield "no hash of a password", f'[[user]]\nname = "a"\npassword_hash = @@{value}\n'
    yield "a depth is at least 1", '[[clone]]\nurl = "https://h/p"\ndest = "/a"\ndepth = @@0\n'
    for user in ('""', '"a:b"', '"a@b"', '"a\\n"'):
        yield "a name to log in with", f'[[clone]]\nurl = "https://h/p"\ndest = "/a"\nuser = @@{user}\n'
    for key in ('""', '"files/deploy"', '"~/.ssh/id_rsa"', '"bkt://key"', '"ssh-ed25519 AAAA ana"'):
        yield "`key` is the private key itself", f'[[clone]]\nurl = "git@h:p"\ndest = "/a"\nkey = @@{key}\n'
    yield "a password is one line", '[[clone]]\nurl = "https://h/p"\ndest = "/a"\npassword = @@"a\\nb"\n'
    for day in ('""', '"tomorrow"', '"2026-02-30"', '"2026-13-01"', '"31.12.2026"', '"2026-1-1"', '"1970-01-01"', '"1969-12-31"', '"2200-01-01"', '"20000"', '"-1"', '"Never"',
                '"2026-12-31 00:00"', '"2026-12-31;id"', '"2026-12-31\\n"'):
        yield "a day is written as", f'[[user]]\nname = "a"\nexpires = @@{day}\n'
    yield "`purge` goes with `dir`", f'{file}content = ""\npurge = @@true\n'
    yield "`purge` goes with `dir`", f'{file}absent = true\npurge = @@true\n'
    yield "`backup` goes with", f'{file}dir = true\nbackup = @@true\n'
    yield "`recurse` goes with", f'{file}content = ""\nrecurse = @@true\n'
    yield "`recurse` of a directory", f'{file}dir = true\nrecurse = @@true\n'
    yield "is never purged", '[[file]]\npath = @@"/"\ndir = true\npurge = true\n'
    yield "two blocks have the id `file:/a`", f'{file}content = ""\n@@[[file]]\npath = "/a/"\ndir = true\n'
    yield "two blocks have the id", '[[service]]\nname = "x"\nenabled = true\n@@[[service]]\nname = "x.service"\nenabled = true\n'
    yield "no block `group:a` stands before", '[[group]]\nname = "a"\nafter = [@@"group:a"]\n'
    for value, words in (('"-x"', "a user or group name is"), ("7", "a user or group name is"), ('"a\\nb"', "a user or group name is")):
        yield words, f'[vars]\nevil = {value}\n[[group]]\nname = @@"{{{{ vars.evil }}}}"\n'


def later():
    for kind, fields in LATER.items():
        for field in fields:
            yield "comes with a later version", block(kind, "zzz", "1").replace("zzz = @@1", f"@@{field} = true")
    for kind in LATER_KINDS:
        yield "come with a later version", f"[[@@{kind}]]\nx = 1\n"


def resources():
    for value in ("1", '"0.1"', '"=0.1"', '">=x"', '">=1.2.3.4"', "[]"):
        yield "the least version of hpt", f"hpt = @@{value}\n"
    yield "needs hpt >=99", 'hpt = @@">=99"\n'
    yield "unknown field `xyz`", '[source.a]\nurl = "/srv"\n@@xyz = 1\n'
    for url in ('"http://h/p"', '"ssh://h/p"'):
        yield "a source lies behind https", f"[source.a]\nurl = @@{url}\n"
    yield "holds a password", '[source.a]\nurl = @@"https://ana:pw@h/p"\n'
    for kind, good in (("bucket", 'url = "h"\nname = "n"'), ("repo", 'url = "https://h/p"'), ("source", 'url = "/srv"'), ("secret", 'env = "A"')):
        yield f"`{kind}` holds named tables", f'{kind} = @@"x"\n'
        yield f"`{kind}` holds named tables", f"@@[[{kind}]]\nx = 1\n"
        for name in ('"a b"', '"a/b"', '"../a"', '""', '"é"', '"a\\u001b"'):
            yield "", f"[{kind}.@@{name}]\n{good}\n"
    for field in ("url", "name", "region", "credentials"):
        lines = {"url": '"h"', "name": '"n"'} | {field: "@@7"}
        yield "expected a string", "[bucket.a]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items())
    yield "expected a boolean", '[bucket.a]\nurl = "h"\nname = "n"\npath_style = @@"yes"\n'
    yield "unknown field `xyz`", '[bucket.a]\nurl = "h"\nname = "n"\n@@xyz = 1\n'
    yield "unknown field `xyz`", '[repo.a]\nurl = "https://h/p"\n@@xyz = 1\n'
    yield "either `env`", '[@@secret.a]\nenv = "A"\nfile = "b"\n'.replace("[@@", "@@[")
    yield "expected a string", "[repo.a]\nurl = @@7\n"
    yield "the name of an environment variable", "[secret.a]\nenv = @@7\n"
    yield "expected a string", "[secret.a]\nprompt = @@true\n"
    yield "expected a table of `file` and `identity`", '[secret.a]\nage = @@"a.age"\n'
    yield "needs `identity`", '[secret.a]\nage = @@{ file = "a.age" }\n'
    yield "either `env`, `file`, `age`", '@@[secret.a]\nprompt = "A"\nfile = "b"\n'
    yield "is sealed for nobody", "[secret.@@a]\nsealed = {}\n"
    yield "is not written here", '[secret.a]\nsealed = @@"hpt1k:AAAA"\n'
    yield "is not written here", "[secret.a]\nsealed = { web1 = @@7 }\n"
    secret = '[secret.a]\nprompt = "A"\n'
    for kind, field, value in (("exec", "cmd", '"{{ secret.a }}"'), ("exec", "args", '["-p", @@"{{ secret.a }}"]'),
                               ("exec", "cmd", '"{% if secret.a %}x{% endif %}"'), ("file", "path", '"/{{ secret.a }}"'),
                               ("exec", "creates", '"/{{ facts.hostname }}{{ secret.a }}"'), ("user", "comment", '"{{ secret[vars.x] }}"')):
        yield f"a secret may not go into `{field}`", secret + block(kind, field, value)
    yield "may not decide a `when`", secret + block("exec", "when", '"secret.a == 1"')


def sources():
    far, near = '[source.a]\nurl = "https://h/p"\n', '[source.a]\nurl = "/srv"\n'
    yield "needs its `sha256`", f'{far}@@[[file]]\npath = "/a"\nsource = "a://x"\n'
    yield "https does not tell", f'{far}@@[[sync]]\nsource = "a://x"\ndest = "/a"\n'
    yield "a source lies below", f'{near}@@[[file]]\npath = "/a"\nsource = "a://../x"\n'
    yield "a tree has no `sha256`", f'{near}@@[[sync]]\nsource = "a://x#sha256={"ab" * 32}"\ndest = "/a"\n'
    yield "is not what a://x", f'{near}@@[[file]]\npath = "/a"\nsource = "a://x#sha256={"ab" * 32}"\nsha256 = "{"cd" * 32}"\n'
    yield "both as a file and as a tree", '[[file]]\npath = "/b"\nsource = "a"\n@@[[sync]]\nsource = "a"\ndest = "/a"\n'
    """What whoever starts a run must know of its sources, judged once all blocks are read; a target meets blobs alone."""
    for kind, rest, field in (("file", 'path = "/a"', "source"), ("file", 'path = "/a"', "template"), ("user", 'name = "a"', "ssh_private_key")):
        yield "there is no [bucket.bkt]", f'@@[[{kind}]]\n{rest}\n{field} = "bkt://x"\n'
        yield "needs its `sha256`", f'@@[[{kind}]]\n{rest}\n{field} = "https://h/p"\n'
    one, two = (f'path = "/{c}"\nsource = "https://h/p"\nsha256 = "{c * 64}"\n' for c in "ab")
    yield "two different sha256", f"[[file]]\n{one}@@[[file]]\n{two}"


def control():
    """Characters that no editor shows, and the ends of lines."""
    for char in "\0\x01\x08\x0b\x0c\x1b\x7f":
        for text in (f'[[group]]\nname = "a@@{char}b"\n', f"[[group]]\n@@{char}\n", f"[vars]\n# a@@{char}b\n"):
            yield "", text
    yield "", '[vars]\na = "b@@\rc"\n'
    yield "carriage return", "[vars]\na = 1\r@@b = 2\n"  # where the line feed should be
    yield "", "[[group]]\n@@\ufeffname = 1\n"
    yield "expected a string", "\ufeff[[group]]\nname = @@1\n"
    yield "expected a string", "[[group]]\r\nname = @@1\r\n"
    yield "unknown field `naem`", '[[group]]\r\nname = "a"\n\r\n\n@@naem = 1\n'
    for first, again in (("a = 1", "@@a = 2"), ("a = 1", "@@a.b = 1"), ("a = { b = 1, @@b = 2 }", ""), ('"a" = 1', "@@a = 2")):
        yield "", f"[vars]\n{first}\n{again}\n"


def shape():
    """Faults of the whole: syntax, what stands twice, what contradicts itself, what comes later."""
    yield "leading zero", '[[file]]\npath = "/a"\nperms = @@0600\n'
    yield "", '[[file]]\npath = "/a"\nmode = @@0644\n'
    yield "is a list of blocks", '@@[file]\npath = "/a"\n'
    yield "no block or table named", '[[@@services]]\nname = "nginx"\n'
    yield "no block or table named", '@@pakages = ["git"]\n'
    yield "later version", '[[@@container]]\nname = "x"\n'
    yield "two blocks have the id", '[[group]]\nname = "a"\n@@[[group]]\nname = "a"\n'
    yield "two blocks have the id", '[[group]]\nid = "x"\nname = "a"\n[[user]]\nid = @@"x"\nname = "a"\n'
    for key, value, words in (
        ("when", '"x"', "`x` is not defined"), ("when", "5", "an expression, in quotes"), ("when", '"vars"', "must come to true or false"),
        ("when", '"1 +"', "unexpected `}}`"), ("when", '"{% if %}"', "unexpected"), ("for_each", '"x"', "a list or a table"),
        ("for_each", "5", "a list or a table"), ("for_each", '"{{ vars.no }}"', "not defined"), ("tags", '"x"', "expected a list"),
        ("tags", "[@@5]", "expected a string"), ("notify", '"x"', "expected a list"), ("notify", '[@@"x"]', "there is no handler `x`"),
        ("on_error", '"x"', "expected `fail` or `continue`"), ("on_error", "true", "expected"), ("retries", '"x"', "a number from 0 to 100"),
        ("retries", "101", "a number from 0 to 100"), ("retries", "-1", "a number from 0 to 100"), ("delay", '"x"', "a number with s, m or h"),
        ("delay", "-1", "not negative"), ("confirm", '"60s"', "expected a boolean"), ("id", '"{{ vars.no }}"', "not defined"),
    ):
        yield words, f'[[group]]\nname = "a"\n{key} = {"" if "@@" in value else "@@"}{value}\n'
    yield "two blocks have the id", '@@[[group]]\nname = "a"\nfor_each = [1, 2]\n'
    yield "`tags` is a list of words", "tags = @@1\n"
    for text, words in (
        ("{{ secret.pw }}", "there is no [secret.pw]"), ("x{{ secret.pw | upper }}y", "there is no [secret.pw]"),
        ("{{ facts.nope }}", "there is no fact `nope`"), ("{% if facts.os.nope %}{{ facts.nope }}{% endif %}", "there is no fact `nope`"),
    ):
        yield words, f'[[file]]\npath = "/etc/x"\ncontent = @@"{text}"\n'
    yield "there is no fact `nope`", '[[group]]\nname = "a"\nwhen = @@"facts.nope == 1"\n'
    for line, words in (("confirm = @@90000", "at most 24 hours"), ("parallel = 4", "later version"), ("lock_wait = @@90000", "at most 24 hours"), ("flush_on_fial = true", "unknown field"), ("x = 1", "unknown field")):
        yield words, f"[settings]\n{'' if '@@' in line else '@@'}{line}\n"
    yield "in [settings]", "[settings]\nflush_on_fail = @@1\n"
    yield "in [settings]", "[settings]\nallow_no_sudoer = @@1\n"
    yield "in [settings]", "settings = @@1\n"
    for way in ("", 'reload = "a"\nrestart = "a"\n', 'script = "a"\ncmd = "/a"\n'):
        yield "needs one of `reload`", f'@@[[handler]]\nname = "a"\n{way}'
    for name in ('""', '"a b"', '"a/b"', '"é"', f'"{"a" * 65}"', '"a\\nb"'):
        yield "a handler's name is", f'[[handler]]\nname = @@{name}\nreload = "a"\n'
    yield "absolute path", '[[handler]]\nname = "a"\ncmd = @@"true"\n'
    yield "belong to a `cmd`", '[[handler]]\nname = "a"\nscript = "true"\nargs = @@["a"]\n'
    yield "a unit", '[[handler]]\nname = "a"\nreload = @@"-a"\n'
    yield "two blocks have the id", '[[handler]]\nname = "a"\nreload = "a"\n@@[[handler]]\nname = "a"\nreload = "b"\n'
    yield "unknown field `x` in [[flush]]", "[[flush]]\n@@x = 1\n"
    yield "expected the number of a group", '[[user]]\nname = "ana"\ngroup = @@-5\n'
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
    yield "needs `status` or `enabled` or `masked`", '@@[[service]]\nname = "nginx"\n'
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
    classes = [types, unknown, hostile, lists, contradictions, later, resources, sources, shape, control]
    counts = {each.__name__: write(each.__name__, each()) for each in classes}
    for each in (fetched, include, one_file, system):
        counts[each.__name__] = write(each.__name__, each.cases())
    counts["trees"] = write_trees("bad", include.trees())
    print(counts, sum(counts.values()))


if __name__ == "__main__":
    main()
