"""What can be wrong in the blocks that bring trees of files, and jobs; `generate.py` writes it out."""

from system import BOOL, CONTROL, PATH, TEXT

ACCOUNT = ['""', '"-x"', '"--help"', '"a b"', '"1a"', '"a:b"', '"a/b"', '"a;id"', '"$(id)"', '"a,b"', '"ümit"', '"a!"', *CONTROL]
SOURCE = ['""', '"http://h/x.tar"', '"ftp://h/x.tar"', '"https://u:p@h/x.tar"', '"https://pw@h/x"', '"a b://x"', '"bkt://"', '"://x"', '"ext::sh -c id://x"', *CONTROL]
SHA = ['""', '"abc"', '"' + "g" * 64 + '"', '"' + "0" * 63 + '"', '"' + "0" * 65 + '"', '"sha256:' + "0" * 57 + '"', *CONTROL]
FIELDS = {
    "archive": ({"source": '"app.tar.gz"', "dest": '"/opt/app"'}, {
        "source": (SOURCE, ""), "dest": ([*PATH, *TEXT], ""), "sha256": (SHA, "64 hexadecimal digits"),
        "strip": (["-1", "33", "256", '"1"', "1.5", "true", "[]"], ""),
        "creates": ([*PATH, '"/opt/app"', '"/opt"', '"/opt/application"', '"/etc/passwd"'], ""),
        "owner": (ACCOUNT, "a user or group name is"), "group": (ACCOUNT, "a user or group name is"), "allow_setuid": (BOOL, "expected a boolean"),
    }),
}
TOGETHER = [
    ("two blocks have the id `archive:/opt/app`", '[[archive]]\nsource = "a.tar"\ndest = "/opt/app"\n@@[[archive]]\nsource = "b.tar"\ndest = "/opt/app"\n'),
]
# What a kind checks for itself, in words of its own.
OPTIONAL = set()


def block(kind, field, value):
    lines = [f"{f} = {v}\n" for f, v in FIELDS[kind][0].items() if f != field]
    mark = "" if "@@" in value else "@@"
    return f"[[{kind}]]\n" + "".join(lines) + f"{field} = {mark}{value}\n"


def cases():
    for kind, (base, fields) in FIELDS.items():
        for field, (values, words) in fields.items():
            for value in values:
                yield words, block(kind, field, value)
            for wrong in (field + "x", field[:-1] + "_"):
                yield f"unknown field `{wrong}`", block(kind, "zzz", "1").replace("zzz = @@1", f"@@{wrong} = 1")
        for field in base:
            if (kind, field) not in OPTIONAL:
                rest = "".join(f"{f} = {v}\n" for f, v in base.items() if f != field)
                yield f"needs `{field}`", f"@@[[{kind}]]\n{rest}"
    yield from TOGETHER
