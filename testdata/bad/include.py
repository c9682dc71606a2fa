"""What can be wrong with includes, params and values of groups; `generate.py` writes it out.

`cases` are configs of one file. `trees` have many: a line `#=== NAME` begins a file, the first one is `site.toml`."""

CONTROL = [r'"a\nb.toml"', r'"a\u0000.toml"', r'"a\r/"', r'"role:\u001b[2J"', r'"a\u007f.toml"']
ENTRIES = [
    ("names something", ['""', '"role:"', '{ role = @@"" }']),
    ("no control characters", [*CONTROL, r'{ role = @@"a\nb" }']),
    ("at most 1,024 bytes", ['"' + "a" * 1025 + '.toml"', '"role:' + "a" * 1025 + '"', '"' + "a" * 1025 + '/"']),
    ("no template", ['"{{ target.name }}.toml"', '"{% if x %}a.toml{% endif %}"', '"role:{{ vars.role }}"', '"{{ facts.os }}/"', '{ role = @@"{{ vars.x }}" }']),
    ("no pattern", ['"*.toml"', '"conf.d/*.toml"', '"a?.toml"', '"**/"']),
    ("a file of this machine", ['"https://example.org/a.toml"', '"bkt://a.toml"', '"file:///a.toml"', '"role:https://example.org/a"']),
    ("written out", ['"~/a.toml"', '"~ana/a.toml"', '"role:~/web"']),
    ("ends in .toml", ['"common"', '"conf.d"', '"a.json"', '"a.TOML"', '"a.toml.bak"', '"-x"', '"web:a"']),
    ("by its directory", ['"role.toml"', '"roles/web/role.toml"', '"../role.toml"']),
    ("a path, or a role", ["5", "true", "[]", "1.5", '["a.toml"]', "1979-05-27"]),
    ("names its `role`", ["{}", '{ rol = "web" }', "{ port = 80 }", '{ file = "a.toml" }', '{ Role = "web" }']),
    ("in quotes", ["{ role = @@5 }", "{ role = @@true }", '{ role = @@["web"] }', "{ role = @@{} }"]),
    ("is a directory", ['{ role = @@"role:web" }']),
    ("there is no file", ['"none.toml"', '"./none.toml"', '"/none/none.toml"', '"none/none.toml"', '"a/../none.toml"']),
    ("there is no", ['"none/"', '"none.d/"', '"/none/"', '"role:none"', '"role:./none"', '{ role = "none" }', '{ role = "none", port = 80 }']),
]


def cases():
    for words, values in ENTRIES:
        for value in values:
            at = value if "@@" in value else f"@@{value}"
            yield words, f"include = [{at}]\n"
    for value in ('"a.toml"', "5", '{ role = "web" }', "true"):
        yield "`include` is a list", f"include = @@{value}\n"
    yield "at most 256 files", "include = @@[" + ", ".join(f'"{i}.toml"' for i in range(257)) + "]\n"
    yield "no block or table named `includes`", '@@includes = ["a.toml"]\n'
    yield "no block or table named `role`", '[[@@role]]\nname = "web"\n'
    yield "belongs to a role", "@@[params]\nport = { default = 80 }\n"
    yield "belongs to a role", "params = @@5\n"
    yield "in the file of a role alone", '[[group]]\nname = @@"{{ params.name }}"\n'
    yield "in the file of a role alone", '[[group]]\nname = "a"\nwhen = @@"params.x"\n'
    for value in ('"x"', "5", "[]", "[{ a = 1 }]"):
        yield "a table for each group", f"group_vars = @@{value}\n"
        yield "are a table", f"[group_vars]\nweb = @@{value}\n"
    for name in ('""', '"-x"', '"a b"', '"a/b"', '"ü"', '"a:b"', '"$(id)"', '"' + "a" * 64 + '"', r'"a\nb"'):
        yield "is called 1 to 63", f"[group_vars.@@{name}]\nport = 1\n"


def role(text, include='{ role = "web" }'):
    return f"#=== site.toml\ninclude = [{include}]\n#=== web/role.toml\n{text}"


def trees():
    for value in ("5", '"x"', "[]", "true"):
        yield "write [params]", role(f"params = @@{value}\n")
        yield "is declared by a table", role(f"[params]\nport = @@{value}\n")
    for name in ('""', '"a b"', '"1a"', '"a-b"', '"ü"', "role", '"a.b"'):
        yield "a param's name is", role(f"[params]\n@@{name} = {{}}\n")
    for field in ("defualt", "type", "required", "description"):
        yield f"unknown field `{field}`", role(f"[params]\nport = {{ @@{field} = 5 }}\n")
    yield "`desc` is a text", role("[params]\nport = { desc = @@5 }\n")
    yield "`undefined` is not defined", role('[params]\nport = { default = @@"{{ undefined }}" }\n')
    port = "[params]\nport = { default = 80 }\nname = {}\n"
    yield "needs `name`", role(port, "@@{ role = \"web\" }")
    yield "needs `name`", role(port, '@@"role:web"')
    yield "needs `a` and `b`", role("[params]\na = {}\nb = {}\n", '@@"role:web"')
    yield "has no param `nmae`", role(port, '{ role = "web", @@nmae = "x" }')
    yield "has no param `x`", role("", '{ role = "web", @@x = 1 }')
    for value in ('"80"', "true", "80.0", "[80]", "{ a = 80 }", "1979-05-27"):
        yield "is a whole number", role(port, f'{{ role = "web", name = "x", port = @@{value} }}')
    for default, words in (('"x"', "a text"), ("true", "true or false"), ("[]", "a list"), ("{}", "a table"), ("1.5", "a number with a point")):
        yield f"is {words}", role(f"[params]\nx = {{ default = {default} }}\n", '{ role = "web", x = @@5 }')
    yield "not defined", role(port, '{ role = "web", name = @@"{{ vars.no }}" }').replace("vars.no", "no")
    yield "not defined", role(port, '{ role = "web", name = @@"a{{ vars.no }}" }')
    yield "in the file of a role alone", role(port, '{ role = "web", name = @@"{{ params.port }}" }')
    yield "has no param `prot`", role(port + '[[group]]\nname = @@"a{{ params.prot }}"\n', '{ role = "web", name = "x" }')
    yield "is not defined", role(port + '[[group]]\nname = @@"{{ prot }}"\n', '{ role = "web", name = "x" }')
    for table in ("vars", "settings", "group_vars"):
        yield "belongs to the config", role(f"@@[{table}]\n")
    yield "two blocks have the id", role('@@[[group]]\nname = "a"\n', '"role:web", "role:web"')
    yield "two blocks have the id", '#=== site.toml\ninclude = ["a.toml"]\n@@[[group]]\nname = "a"\n#=== a.toml\n[[group]]\nname = "a"\n'
    yield "site.toml includes itself", '#=== site.toml\ninclude = [@@"site.toml"]\n'
    yield "site.toml includes itself", '#=== site.toml\ninclude = [@@"./"]\n'
    yield "includes itself, through a.toml and b.toml", '#=== site.toml\ninclude = ["a.toml"]\n#=== a.toml\ninclude = ["b.toml"]\n#=== b.toml\ninclude = [@@"site.toml"]\n'
    yield "web/role.toml includes itself", role('include = [@@"role:."]\n')
    yield "through up/role.toml", role('include = ["role:../up"]\n') + '#=== up/role.toml\ninclude = [@@"role:../web"]\n'
    yield "a.toml is included twice", '#=== site.toml\ninclude = ["a.toml", @@"a.toml"]\n#=== a.toml\n'
    yield "a.toml is included twice", '#=== site.toml\ninclude = ["a.toml", @@"./b/../a.toml"]\n#=== a.toml\n'
    yield "d/a.toml is included twice", '#=== site.toml\ninclude = ["d/", @@"d/a.toml"]\n#=== d/a.toml\n'
    yield "a.toml is included twice", '#=== site.toml\ninclude = ["b.toml", "c.toml"]\n#=== a.toml\n#=== b.toml\ninclude = ["a.toml"]\n#=== c.toml\ninclude = [@@"a.toml"]\n'
    yield "a.toml is included twice", role('include = [@@"../a.toml"]\n', '"role:web", "role:web"') + "#=== a.toml\n"
    yield "web is a role", role("", '@@"web/"')
    yield "there is no x.toml", '#=== site.toml\ninclude = ["a.toml"]\n#=== a.toml\ninclude = [@@"x.toml"]\n'
    yield "there is no d/x.toml", '#=== site.toml\ninclude = ["d/"]\n#=== d/a.toml\ninclude = [@@"x.toml"]\n'
    yield "unknown field `nam`", '#=== site.toml\ninclude = ["a.toml"]\n#=== a.toml\n[[group]]\n@@nam = "a"\n'
    yield "`tags` is a list", '#=== site.toml\ninclude = ["a.toml"]\n#=== a.toml\ntags = @@1\n'
    yield "", '#=== site.toml\ninclude = ["a.toml"]\n#=== a.toml\nx = @@\n'
    yield "there is no handler", '#=== site.toml\ninclude = ["a.toml"]\n#=== a.toml\n[[group]]\nname = "a"\nnotify = [@@"x"]\n'
    yield "is there already", '#=== site.toml\ninclude = ["a.toml"]\n[bucket.@@b]\nurl = "h"\nname = "n"\n#=== a.toml\n[bucket.b]\nurl = "h"\nname = "n"\n'
