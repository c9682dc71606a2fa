//! What is run and killed: small configs, each with what the host has before it.

/// One config.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// What is there, besides [`BASE`].
    pub before: &'static [&'static str],
    /// The config, a block each.
    pub blocks: &'static [&'static str],
    /// On the running host, all of its paths below `{R}`; else `{R}` is not needed.
    pub live: bool,
}

/// What every root has.
pub const BASE: &[&str] = &[
    "d 755 0 etc",
    "d 755 0 srv",
    "d 755 0 home",
    "f 644 0 etc/passwd root:x:0:0::/root:/bin/sh\nwww:x:33:33::/srv:/bin/false\n",
    "f 644 0 etc/group root:x:0:\nwww:x:33:\n",
    "f 640 0 etc/shadow root:*:20000:0:99999:7:::\nwww:*:20000:0:99999:7:::\n",
    "f 644 0 etc/motd old words\n",
    "f 600 0 etc/key old key\n",
    "f 644 0 etc/app.ini [a]\nx = 1\n\n[b]\ny = 2\n",
    "f 644 0 etc/app.json {\"a\": 1}\n",
    "f 644 0 etc/app.toml a = 1\n",
    "f 644 0 etc/hosts 127.0.0.1 localhost\n",
    "f 644 33 srv/data some data\n",
    "l etc/old motd",
];

const fn case(
    name: &'static str,
    before: &'static [&'static str],
    blocks: &'static [&'static str],
) -> Case {
    Case {
        name,
        before,
        blocks,
        live: false,
    }
}

const fn live(name: &'static str, blocks: &'static [&'static str]) -> Case {
    Case {
        name,
        before: &[],
        blocks,
        live: true,
    }
}

const MOTD: &str = "[[file]]\npath = \"/etc/motd\"\ncontent = \"new words\\n\"";
const NEW: &str = "[[file]]\npath = \"/etc/new\"\ncontent = \"new\\n\"\nmode = \"0640\"";
const KEY: &str =
    "[[file]]\npath = \"/etc/key\"\ncontent = \"new key\\n\"\nmode = \"0600\"\nsensitive = true";
const DIR: &str = "[[file]]\npath = \"/srv/app\"\ndir = true\nmode = \"0750\"\nowner = \"www\"";
const IN_DIR: &str =
    "[[file]]\npath = \"/srv/app/conf\"\ncontent = \"in it\\n\"\nowner = \"www\"\nmode = \"0600\"";
const LINK: &str = "[[file]]\npath = \"/etc/old\"\nsymlink_to = \"/etc/new\"";
const GONE: &str = "[[file]]\npath = \"/srv/data\"\nabsent = true";
const ACCESS: &str =
    "[[file]]\npath = \"/srv/data\"\nowner = \"root\"\ngroup = \"www\"\nmode = \"0600\"";
const LINE: &str = "[[line]]\npath = \"/etc/motd\"\nline = \"a line\"";
const LINE_2: &str = "[[line]]\npath = \"/etc/motd\"\nmatch = \"^old\"\nline = \"other words\"";
const INI: &str = "[[edit]]\npath = \"/etc/app.ini\"\nformat = \"ini\"\nset = { a = { x = 2 } }";
const JSON: &str = "[[edit]]\npath = \"/etc/app.json\"\nformat = \"json\"\nset = { b = 2 }";
const TOML: &str = "[[edit]]\npath = \"/etc/app.toml\"\nformat = \"toml\"\nset = { b = 2 }";
const HOSTS: &str = "[[hosts]]\nip = \"10.0.0.5\"\nnames = [\"db\"]";
const GROUP: &str = "[[group]]\nname = \"deploy\"\ngid = 1500";
const USER: &str =
    "[[user]]\nname = \"ana\"\nuid = 1501\nhome = \"/home/ana\"\nshell = \"/bin/sh\"";
const SYNC: &str = "[[sync]]\nsource = \"site\"\ndest = \"/srv/www\"\ndelete = true";
const ARCHIVE: &str = "[[archive]]\nsource = \"app.tar.gz\"\ndest = \"/srv/opt\"";
const PAGE: &str = "[[file]]\npath = \"/srv/page\"\nsource = \"page\"";
const TOUCH: &str = "[[exec]]\nscript = \"echo ran > {R}/srv/ran\"\ncreates = \"{R}/srv/ran\"";
const ONCE: &str = "[[exec]]\nscript = \"echo once > {R}/srv/once\"\nonce = \"one\"";
const ALWAYS: &str = "[[exec]]\nid = \"again\"\nscript = \"echo run > {R}/srv/run\"\nalways = true";
const LIVE_MOTD: &str = "[[file]]\npath = \"{R}/etc/motd\"\ncontent = \"new words\\n\"";
const LIVE_KEY: &str =
    "[[file]]\npath = \"{R}/etc/key\"\ncontent = \"new key\\n\"\nmode = \"0600\"";
const HANDLED: &str =
    "[[file]]\npath = \"{R}/etc/motd\"\ncontent = \"new words\\n\"\nnotify = [\"tell\"]
[[handler]]\nname = \"tell\"\nscript = \"echo told > {R}/srv/told\"";

/// All of them.
pub const CASES: &[Case] = &[
    case("replaced", &[], &[MOTD]),
    case("new", &[], &[NEW]),
    case("secret", &[], &[KEY]),
    case("removed", &[], &[GONE]),
    case("access", &[], &[ACCESS]),
    case("dir", &[], &[DIR]),
    case("dir and in it", &[], &[DIR, IN_DIR]),
    case("link", &[], &[LINK]),
    case("batch of files", &[], &[MOTD, NEW, KEY]),
    case(
        "batch of all sorts",
        &[],
        &[MOTD, DIR, IN_DIR, LINK, ACCESS],
    ),
    case("made and removed", &[], &[NEW, GONE]),
    case("line", &[], &[LINE]),
    case("two lines of one file", &[], &[LINE, LINE_2]),
    case(
        "line of a removed match",
        &[],
        &["[[line]]\npath = \"/etc/motd\"\nmatch = \"^old\"\nabsent = true"],
    ),
    case("ini", &[], &[INI]),
    case("json", &[], &[JSON]),
    case("toml", &[], &[TOML]),
    case("edits", &[], &[INI, JSON, TOML]),
    case("hosts", &[], &[HOSTS]),
    case(
        "backup",
        &[],
        &["[[file]]\npath = \"/etc/motd\"\ncontent = \"new\\n\"\nbackup = true"],
    ),
    case("source", &[], &[PAGE]),
    case(
        "long source",
        &[],
        &["[[file]]\npath = \"/srv/long\"\nsource = \"long\""],
    ),
    case("sync", &[], &[SYNC]),
    case(
        "sync over",
        &[
            "d 755 0 srv/www",
            "f 644 0 srv/www/index.html old",
            "f 644 0 srv/www/gone gone",
        ],
        &[SYNC],
    ),
    case(
        "purge",
        &[
            "d 755 0 srv/www",
            "f 644 0 srv/www/a a",
            "d 755 0 srv/www/b",
            "f 644 0 srv/www/b/c c",
        ],
        &["[[file]]\npath = \"/srv/www\"\ndir = true\npurge = true"],
    ),
    case(
        "recurse",
        &[
            "d 755 0 srv/www",
            "f 644 0 srv/www/a a",
            "d 755 0 srv/www/b",
            "f 644 0 srv/www/b/c c",
        ],
        &["[[file]]\npath = \"/srv/www\"\nabsent = true\nrecurse = true"],
    ),
    case("archive", &[], &[ARCHIVE]),
    case("archive and file", &[], &[ARCHIVE, MOTD]),
    case("group", &[], &[GROUP]),
    case("user", &[], &[USER]),
    case("group, user, file", &[], &[GROUP, USER, MOTD]),
    case(
        "group and its file",
        &["f 644 0 etc/gshadow \n"],
        &[
            "[[group]]\nname = \"www2\"\ngid = 1600",
            "[[file]]\npath = \"/srv/mine\"\ncontent = \"mine\\n\"\ngroup = \"www2\"\nmode = \"0640\"",
        ],
    ),
    case(
        "sysctl at boot",
        &["d 755 0 etc/sysctl.d"],
        &["[[sysctl]]\nkey = \"vm.swappiness\"\nvalue = 10\nreload = false"],
    ),
    case("many parts", &[], &[MOTD, GONE, NEW, HOSTS, GROUP, JSON]),
    live("exec", &[TOUCH]),
    live("exec once", &[LIVE_MOTD, ONCE, LIVE_KEY]),
    live("exec always", &[LIVE_MOTD, ALWAYS]),
    live(
        "verify before",
        &[
            "[[file]]\npath = \"{R}/etc/motd\"\ncontent = \"new\\n\"\nverify = \"/bin/grep -q new %s\"",
        ],
    ),
    live(
        "verify after",
        &["[[file]]\npath = \"{R}/etc/motd\"\ncontent = \"new\\n\"\nverify = \"/bin/true\""],
    ),
    live("handler", &[HANDLED]),
];

/// What goes together in any order.
const PARTS: &[&str] = &[
    MOTD, NEW, KEY, DIR, LINK, GONE, INI, JSON, TOML, HOSTS, GROUP, USER, SYNC, ARCHIVE, PAGE,
];

/// Configs of four of these each, as many as asked for.
pub fn mixes(count: usize, random: &mut dyn FnMut(usize) -> usize) -> Vec<Case> {
    let mix = |number| {
        let mut parts = PARTS.to_vec();
        let some: Vec<_> = (0..4).map(|_| parts.remove(random(parts.len()))).collect();
        case(String::leak(format!("mix {number}")), &[], Vec::leak(some))
    };
    (1..=count).map(mix).collect()
}

/// A command of which nobody can tell whether it has run: it kills who started it.
pub const DOUBT: Case = live(
    "doubt",
    &["[[exec]]\nid = \"again\"\nscript = \"kill -9 $PPID\"\nalways = true"],
);

/// What is provisioned after it.
pub const OTHER: &[&str] = &[LIVE_MOTD];
