"""What can be wrong in the blocks about a kernel and a whole host; `generate.py` writes it out."""

from pieces import BOOL, CONTROL, TEXT, of_tables, wrong

KEY = ['""', '"vm"', '"-p"', '"--system"', '"vm."', '".vm.x"', '"vm..x"', '"vm/../../etc/passwd"', '"/etc/passwd"', '"vm/"', '"vm.x=1"', '"vm.x y"',
       '"vm.*"', '"vm.$(id)"', '"vm.x;id"', '"vm.ü"', '"vm.\\\\x"', '"a.' + "b" * 200 + '"', '"vm.-x"', '"net/ipv4/./x"', *CONTROL]
VALUE = ['""', '" "', r'"\t"', '"' + "1" * 1025 + '"', "1.5", "true", "[]", "{}", "1979-05-27", r'"1\nkernel.panic = 1"', r'"1\r"', r'"1\u0000"',
         r'"\u001b[2J"', r'"1\u007f"', r'"1\u0085"']
ZONE = ['""', '"/UTC"', '"../../etc/passwd"', '"Europe/"', '"Europe//Berlin"', '"Europe/../UTC"', '"-x"', '"--utc"', '"Europe/Berlin;id"', '"$(id)"',
        '"a/b/c/d"', '"Europe Berlin"', '"Zürich"', '".."', '"."', '"Europe/.Berlin"', '"Europe/-x"', '"' + "a" * 65 + '"', '"*"', '"a:b"', '"UTC,x"',
        '"~/x"', '"`id`"', '"a\\\\b"', '"\'UTC\'"', *CONTROL]
HOST = ['""', '"-x"', '"--help"', '"a-"', '"a.-b"', '"a..b"', '".a"', '"a."', '"a_b"', '"a b"', '"a/b"', '"../x"', '"a;id"', '"$(id)"', '"`id`"',
        '"wéb"', '"a:b"', '"a@b"', '"10.0.0.1"', '"1"', '"::1"', '"' + "a" * 64 + '"', '"' + "a." * 32 + 'a"', '"a,b"', '"#a"', '"a*"', *CONTROL]
LANG = ['""', '"english"', '"en_us"', '"EN_us"', '"en-US"', '"en_US.UTF-8 UTF-8"', '"../x"', '"en_US/x"', '"-x"', '"--help"', '"en_US."', '"en_US@"', '"en_US.UTF-8;id"',
        '"$(id)"', '"en_US.ÜTF"', '"e"', '"en_US.UTF_8"', '"en_US.UTF-8@EURO"', '"."', '"@euro"', '".UTF-8"', '"c"', '"posix"', '"en_US.UTF-8@a b"',
        '"en_US.' + "a" * 40 + '"', '"en_US=x"', *CONTROL]
MODULE = ['""', '"-r"', '"--remove"', '"_x"', '"../x"', '"a/b"', '"a b"', '"a.ko"', '"/lib/x.ko"', '"a;id"', '"$(id)"', '"`id`"', '"a,b"', '"a=1"', '"*"', '"a*"',
          '"mödul"', '"a:b"', '"a@b"', '"#a"', '"a\\b"', '"[a]"', '"?"', '"' + "a" * 61 + '"', '"!a"', '"alias:x"', *CONTROL]
OPTIONS = ['""', '" "', '"-x"', '"=1"', '"1=a"', '"a b=c;d"', '"a=$(id)"', '"a=`id`"', '"a=b#c"', r'"a=\\"', r'"a=\"b\""', "\"a='b'\"", '"a=b|c"', '"a=b>c"', '"a=b&c"',
           '"a=ü"', '"a=*"', '"a=?"', '"a=(x)"', '"a={x}"', '"a=[x]"', '"a=b!"', '"a=~"', '"a/b=c"', '"a=' + "b" * 1024 + '"',
           r'"a\ninstall x /bin/sh"', r'"a=b\u0000"', r'"a\tb"', r'"a\r"', r'"\u001b[2J"']
PATH = ['""', '"etc/x"', '"./x"', '"../x"', '"/etc/../x"', '"/etc/./x"', '"/etc//x"', '"~/x"', '"$HOME/x"', '"-x"', '"none"', '"UUID=1"',
        '"/' + "a" * 4096 + '"', *CONTROL]
FIELD = ['""', '"-x"', '"--bind"', '"a b"', '"a#b"', '"a;id"', '"$(id)"', '"`id`"', '"a|b"', '"a>b"', '"a&b"', '"a*"', '"a?b"', '"a!"', '"ünï"',
         '"a\\\\b"', '"a\\"b"', '"a\'b"', '"(a)"', '"{a}"', '"' + "a" * 1025 + '"', *CONTROL, r'"a\tb"']
SIZE = ['""', '"2"', '"GiB"', '"0GiB"', '"-1GiB"', '"1.5GiB"', '"2GB"', '"2 GiB"', '"2gib"', '"2KiB"', '"17TiB"', '"99999999999999999999GiB"', '"+2GiB"',
        '"0x2GiB"', '"2GiB;id"', '"2GiBGiB"', '"2e9"', '"all"', '"50%"', '"١GiB"', *CONTROL]
PORTS = ["0", "65536", "-1", "99999999999", '""', '"ssh"', '"22,80"', '"22-"', '"-22"', '"80-22"', '"1-2-3"', '"+22"', '" 22"', '"22 "', '"0-22"', '"1-65536"',
         '"0x16"', '"22;id"', '"*"', '"22/tcp"', '"{ 22, 80 }"', *CONTROL]
NETWORK = ['""', '"any"', '"10.0.0.0/33"', '"fd00::/129"', '"10.0.0"', '"10.0.0.0/"', '"10.0.0.0/-8"', '"10.0.0.0/+8"', '"10.0.0.0/8/8"', '"example.org"', '"10.0.0.0-10.0.0.9"',
           '"@set"', '"! 10.0.0.1"', '"10.0.0.1 accept"', '"10.0.0.1; drop"', '"[fd00::1]"', '"fd00::1%eth0"', '"010.0.0.1"', '"10.0.0.0/0x8"', '"0.0.0.0/0 accept }"', *CONTROL]
INTERFACE = ['""', '"-x"', '"eth0 accept"', '"eth0\\""', '"eth*"', '"a/b"', '"../x"', '"a;b"', '"$(id)"', '"' + "a" * 16 + '"', '"ëth0"', '"@eth0"', '".x"',
             '"a{b"', '"a}"', '"a:b"', '"a,b"', '"a#b"', '"a|b"', '"a!"', *CONTROL]
UNIT = ['""', '"-x"', '"--now"', '"../x.service"', '"/etc/x.service"', '"a b"', '"a;b"', '"a/b"', '".service"', '"$(id)"', '"ünit"', '"a*"', '"[a]"',
        '"' + "a" * 260 + '"', *CONTROL]
FIELDS = {
    "sysctl": ({"key": '"vm.swappiness"', "value": "10"},
               {"key": (KEY, "a kernel parameter is"), "value": (VALUE, ""), "reload": (BOOL, "expected a boolean"), "absent": (BOOL, "expected a boolean")}),
    "timezone": ({"zone": '"UTC"'}, {"zone": (ZONE, "a time zone is named")}),
    "locale": ({"lang": '"C.UTF-8"'}, {"lang": (LANG, "a locale is named")}),
    "kmod": ({"name": '"dummy"'}, {"name": (MODULE, "a kernel module is"), "options": (OPTIONS, "a module's options are"), "absent": (BOOL, "expected a boolean")}),
    "mount": ({"path": '"/srv"', "device": '"/dev/sdb1"', "fstype": '"ext4"'},
              {"path": (PATH, "a path"), "device": (FIELD, "a field of /etc/fstab is"), "fstype": (FIELD, "a field of /etc/fstab is"),
               "opts": (FIELD, "a field of /etc/fstab is"), "state": (['"Mounted"', '"remounted"', '""', "true"], "")}),
    "swap": ({"path": '"/swapfile"', "size": '"1GiB"'},
             {"path": (PATH, "a path"), "size": (SIZE, "a size is"), "absent": (BOOL, "expected a boolean")}),
    "firewall": ({"default": '"drop"'},
                 {"backend": (['"iptables"', '"NFT"', '""', "true"], ""), "default": (['"reject"', '"Drop"', '""', "true"], ""), "exclusive": (BOOL, "expected a boolean"), "absent": (BOOL, "expected a boolean")}),
    "wait": ({"port": "80"}, {"port": (["0", "65536", "-1", '"80"', "1.5", "true", "[80]"], ""),
             "within": (['"5 minutes"', '"m"', '"-5s"', "-1", "true", "[]", "0", '"25h"', '""', '"99999999999999999999s"'], "")}),
    "hostname": ({"name": '"web1"'}, {"name": (HOST, "a host name is")}),
}
# What a kind checks for itself, in words of its own.
OPTIONAL = {("sysctl", "value"), ("mount", "device"), ("mount", "fstype"), ("swap", "size"), ("firewall", "default"), ("wait", "port")}
TEXTS = [("sysctl", "key"), ("timezone", "zone"), ("hostname", "name"), ("mount", "path"), ("mount", "device"), ("mount", "opts"), ("swap", "path"), ("swap", "size"), ("locale", "lang"), ("kmod", "name"), ("kmod", "options")]
TOGETHER = [
    ("needs `port`, `file` or `unit`", '@@[[wait]]\nwithin = "5s"\n'),
    ("either `port` or `file`", '[[wait]]\nport = 80\nfile = @@"/run/x"\n'),
    ("either `file` or `unit`", '[[wait]]\nfile = "/run/x"\nunit = @@"nginx"\n'),
    ("two blocks have the id `wait:port 80`", '[[wait]]\nport = 80\n@@[[wait]]\nport = 80\nwithin = 5\n'),
    *(("expected a boolean", f'[[reboot]]\nif_needed = @@{value}\n') for value in ('"yes"', "1", "[]")),
    *(("", f'[[reboot]]\nif_needed = true\nmax_wait = @@{value}\n') for value in ("0", '"25h"', '"soon"', "-1", "true")),
    ("needs one of `http`, `cmd` and `script`", '@@[[check]]\nwithin = "5s"\n'),
    ("needs one of `http`, `cmd` and `script`", '@@[[check]]\nhttp = "http://h/"\nscript = "true"\n'),
    *(("", f'[[check]]\nhttp = @@"{url}"\n') for url in ("localhost", "ftp://h/", "http://", "http:///x", "https://a@h/", "http://h/ x", "http://h/#x", "file:///etc/passwd", "http://h/\\n", "http://h/" + "x" * 2048)),
    *(("", f'[[check]]\nhttp = "http://h/"\nexpect = @@{value}\n') for value in ("0", "99", "600", "-1", "1.5", "true", '""', '"("', "[200]")),
    ("an exit code is 0 to 255", '[[check]]\nscript = "true"\nexpect = @@256\n'),
    ("a program's absolute path", '[[check]]\ncmd = @@"true"\n'),
    ("`args` belong to a `cmd`", '[[check]]\nscript = "true"\nargs = @@["-x"]\n'),
    ("`user` goes with", '[[check]]\nhttp = "http://h/"\nuser = @@"ana"\n'),
    *(("", f'[[check]]\nhttp = "http://h/"\nwithin = @@{value}\n') for value in ("0", '"2h"', '"soon"', "-1", "true")),
    *(("expected a boolean", f'[[check]]\nhttp = "http://h/"\nrevert = @@{value}\n') for value in ('"yes"', "1", "[]")),
    ("an absent firewall takes away no table", "[[firewall]]\nexclusive = @@true\nabsent = true\n"),
    ("an absent firewall has no rules", "[[firewall]]\nallow = [{ port = 22 }]\nabsent = @@true\n"),
    ("two blocks have the id", '[[firewall]]\ndefault = "drop"\n@@[[firewall]]\ndefault = "accept"\n'),
    ("[[mount]] needs `device`", '@@[[mount]]\npath = "/srv"\nfstype = "ext4"\n'),
    ("[[mount]] needs `fstype`", '@@[[mount]]\npath = "/srv"\ndevice = "/dev/sdb1"\n'),
    ("`device` goes with", '[[mount]]\npath = "/srv"\ndevice = @@"/dev/sdb1"\nstate = "absent"\n'),
    ("`opts` goes with", '[[mount]]\npath = "/srv"\nopts = @@"noatime"\nstate = "unmounted"\n'),
    ("`/` is never unmounted", '[[mount]]\npath = @@"/"\nstate = "absent"\n'),
    ("what [[swap]] is for", '[[mount]]\npath = "/srv"\ndevice = "/dev/sdb1"\nfstype = @@"swap"\n'),
    ("[[swap]] needs `size`", '@@[[swap]]\npath = "/swapfile"\n'),
    ("a size is a whole number of MiB", '[[swap]]\npath = "/swapfile"\nsize = @@"2G"\n'),
    ("absent swap has no", '[[swap]]\npath = "/swapfile"\nsize = @@"1GiB"\nabsent = true\n'),
    ("neither in /dev", '[[swap]]\npath = @@"/dev/sdb2"\nsize = "1GiB"\n'),
    ("neither in /dev", '[[swap]]\npath = @@"/"\nsize = "1GiB"\n'),
    ("an absent module has no", '[[kmod]]\nname = "dummy"\noptions = @@"a=1"\nabsent = true\n'),
    ("two blocks have the id", '[[kmod]]\nname = "a-b"\n@@[[kmod]]\nname = "a_b"\n'),
    ("[[sysctl]] needs `value`", '@@[[sysctl]]\nkey = "vm.swappiness"\n'),
    ("has no `value`", '[[sysctl]]\nkey = "vm.swappiness"\nvalue = @@1\nabsent = true\n'),
    ("`reload` goes with `value`", '[[sysctl]]\nkey = "vm.swappiness"\nreload = @@true\nabsent = true\n'),
    ("two blocks have the id", '[[sysctl]]\nkey = "vm.swappiness"\nvalue = 1\n@@[[sysctl]]\nkey = "vm/swappiness"\nvalue = 2\n'),
]


def cases():
    yield from of_tables(FIELDS, OPTIONAL)
    for kind, field in TEXTS:
        for value in TEXT:
            yield "expected a string", wrong(kind, FIELDS[kind][0], field, value)
    yield from TOGETHER
    for field, values, words in (("port", PORTS, "a port is"), ("from", NETWORK, "an address or a network"), ("iface", INTERFACE, "a network interface is")):
        for value in values:
            for rules in ("allow", "deny"):
                yield words, f"[[firewall]]\n{rules} = [{{ {field} = @@{value} }}]\n"
    for field, values, words in (("file", PATH, "a path"), ("unit", UNIT, "a unit name is")):
        for value in values:
            yield words, f"[[wait]]\n{field} = @@{value}\n"
    for backend in ("firewalld", "ufw"):
        yield "comes with a later version", f'[[firewall]]\nbackend = @@"{backend}"\n'
    yield "a rule says", "[[firewall]]\nallow = @@[{}]\n"
    for rule in ("{ @@prot = 1 }", '{ proto = @@"icmp" }', '{ proto = @@"sctp" }', '{ proto = @@"TCP" }', "{ port = @@[22] }", "@@22", '@@"ssh"', "{ from = @@10 }", "{ iface = @@1 }"):
        yield "", f"[[firewall]]\nallow = [{rule}]\n"
