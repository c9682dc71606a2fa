"""What can be wrong in the blocks that bring trees of files, and jobs; `generate.py` writes it out."""

from pieces import BOOL, CONTROL, TEXT, of_tables
from system import PATH

ACCOUNT = ['""', '"-x"', '"--help"', '"a b"', '"1a"', '"a:b"', '"a/b"', '"a;id"', '"$(id)"', '"a,b"', '"ümit"', '"a!"', *CONTROL]
SOURCE = ['""', '"http://h/x.tar"', '"ftp://h/x.tar"', '"https://u:p@h/x.tar"', '"https://pw@h/x"', '"a b://x"', '"bkt://"', '"://x"', '"ext::sh -c id://x"', *CONTROL]
SHA = ['""', '"abc"', '"' + "g" * 64 + '"', '"' + "0" * 63 + '"', '"' + "0" * 65 + '"', '"sha256:' + "0" * 57 + '"', *CONTROL]
MODE = ['""', '"644x"', '"9"', '"rwxr-xr-x"', '"u+x"', "644", "true", "[]", '"4755"', '"2755"', '"00644"']
NAME = ['""', '"-x"', '"--now"', '"a b"', '"a.timer"', '"a/b"', '"../a"', '"a@b"', '"a;id"', '"$(id)"', '"a*"', '"ä"', '"a%b"', '"' + "a" * 65 + '"', *CONTROL]
MOMENT = ['""', '"now"', '"tomorrow"', '"now + 2 hours"', '"03:00"', '"2026-12-24"', '"daily"', '"*-*-* 03:00"', '"2026-12-* 03:00"', '"2026-12-24 *:00"', '"2026-02-30 03:00"',
          '"2026-13-01 03:00"', '"2026-12-24 24:00"', '"2026-12-24 03:60"', '"2026-12-24T03:00"', '"24.12.2026 03:00"', '"2026-12-24 03:00/5"', '"2026-12-24 03:00,04"',
          '"2026-12-24 03:00;id"', '"2026-12-24 03:00 $(id)"', '" 2026-12-24 03:00"', '"2026-12-24 03:00 "', '"-1"', *CONTROL]
COMMAND = ['""', '"ls"', '"./x"', '"~/x"', '"-x"', '"@/bin/x"', '"+/bin/x"', '"!/bin/x"', '"/bin/../x"', "\"/bin/x 'a\"", *CONTROL]
FIELDS = {
    "archive": ({"source": '"app.tar.gz"', "dest": '"/opt/app"'}, {
        "source": (SOURCE, ""), "dest": ([*PATH, *TEXT], ""), "sha256": (SHA, "64 hexadecimal digits"),
        "strip": (["-1", "33", "256", '"1"', "1.5", "true", "[]"], ""),
        "creates": ([*PATH, '"/opt/app"', '"/opt"', '"/opt/application"', '"/etc/passwd"'], ""),
        "owner": (ACCOUNT, "a user or group name is"), "group": (ACCOUNT, "a user or group name is"), "allow_setuid": (BOOL, "expected a boolean"),
    }),
    "sync": ({"source": '"static"', "dest": '"/srv/site"'}, {
        "source": ([*SOURCE, '"https://h/x"', *TEXT], ""), "dest": ([*PATH, *TEXT, '"/"'], ""), "delete": (BOOL, "expected a boolean"),
        "owner": (ACCOUNT, "a user or group name is"), "group": (ACCOUNT, "a user or group name is"),
        "mode": (MODE, ""), "dir_mode": (MODE, ""),
    }),
    "at": ({"name": '"migrate"', "spec": '"2026-12-24 03:00"', "command": '"/bin/x"'}, {
        "name": (NAME, "a name here is"), "spec": (MOMENT, "a moment is"), "command": (COMMAND, "command"), "user": (ACCOUNT, "a user or group name is"),
        "absent": (BOOL, "expected a boolean"),
    }),
}
TOGETHER = [
    *((f"`{field}` goes with", f'[[handler]]\nname = "a"\nreload = "nginx"\n{field} = @@{value}\n') for field, value in (
        ("stdin", '"x"'), ("success", "[1]"), ("interpreter", '"/bin/sh"'), ("group", '"ana"'), ("pwd", '"/x"'), ("umask", '"0077"'))),
    ("two blocks have the id `archive:/opt/app`", '[[archive]]\nsource = "a.tar"\ndest = "/opt/app"\n@@[[archive]]\nsource = "b.tar"\ndest = "/opt/app"\n'),
    ("two blocks have the id `sync:/a`", '[[sync]]\nsource = "a"\ndest = "/a"\n@@[[sync]]\nsource = "b"\ndest = "/a/"\n'),
    ("[[at]] needs `spec`", '@@[[at]]\nname = "a"\ncommand = "/bin/x"\n'),
    ("[[at]] needs `command`", '@@[[at]]\nname = "a"\nspec = "2026-12-24 03:00"\n'),
    ("two blocks have the id `at:a`", '[[at]]\nname = "a"\nabsent = true\n@@[[at]]\nname = "a"\nabsent = true\n'),
]


def cases():
    yield from of_tables(FIELDS, {("at", "spec"), ("at", "command")})
    yield from TOGETHER
