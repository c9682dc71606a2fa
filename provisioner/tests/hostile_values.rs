//! Hostile values: of each class at least 200 are refused when a config is checked, where no host is
//! known yet, so that no tool can have been started. They are made by rules, from good values and nasty
//! pieces; the good ones beside them are accepted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, File, Given};
use hpt_provisioner::host::facts::Facts;

/// What values of one sort may and may not be.
struct Class {
    name: &'static str,
    /// Blocks with `§` in the place of the value, each of which must refuse all of them.
    blocks: &'static [&'static str],
    /// Good values, which each of the blocks takes, and from which hostile ones are made.
    good: &'static [&'static str],
    /// What makes a good value a hostile one wherever it is put: before, within, behind.
    pieces: &'static [&'static str],
    /// What is hostile by itself.
    whole: &'static [&'static str],
    /// A length that is too much, and what such a value begins and ends with.
    too_long: (usize, &'static str, &'static str),
}

/// What a shell, a glob, an expansion or a second word is made of.
const SHELL: &[&str] = &[
    ";", ";id", "|", "|id", "&", "&&id", "$", "$(id)", "${IFS}", "$HOME", "`", "`id`", "(", ")",
    "<", ">", ">x", "'", "\"", "!", "#", "*", "?", "~", "{", "}", "{a,b}", " ", "  ", " -x",
    " --help",
];

/// Letters that look like others, and are none of ASCII.
const LOOKALIKE: &[&str] = &[
    "а", "е", "о", "р", "с", "х", "ӏ", "ａ", "ｏ", "０", "１", "／", "．", "：", "－", "‐", "–",
    "—", "․", "⁄", "∕", "ı", "ſ", "\u{212a}", "ﬁ", "é", "ü", "ß", "١", "०", "名", "🙂",
];

const CLASSES: &[Class] = &[
    Class {
        name: "names",
        blocks: &[
            "[[user]]\nname = §\n",
            "[[group]]\nname = §\n",
            "[[file]]\npath = \"/x\"\ncontent = \"\"\nowner = §\n",
            "[[user]]\nname = \"ana\"\ngroups = [§]\n",
            "[[cron]]\nname = \"x\"\nspec = \"@daily\"\ncommand = \"id\"\nuser = §\n",
        ],
        good: &["ana", "www-data", "_apt"],
        pieces: &[
            "/", "../", ":", ",", "@", "%", "=", "+", ".", "\\", "A", "$",
        ],
        whole: &[
            "", "-", "-x", "--help", "1ana", "0", "Root", "ROOT", "-rf", "ana ", " ana",
        ],
        too_long: (33, "", ""),
    },
    Class {
        name: "paths",
        blocks: &[
            "[[file]]\npath = §\ncontent = \"\"\n",
            "[[archive]]\nsource = \"x.tar\"\ndest = §\n",
            "[[clone]]\nurl = \"https://h/x\"\ndest = §\n",
            "[[exec]]\nscript = \"true\"\ncreates = §\n",
            "[[user]]\nname = \"ana\"\nhome = §\n",
        ],
        good: &["/etc/motd", "/srv/a b/ü", "/opt/app-1.2"],
        pieces: &["/../", "/./", "//", "/../../../etc/shadow/"],
        whole: &[
            "",
            ".",
            "..",
            "~",
            "~/x",
            "~root/x",
            "etc/motd",
            "./etc",
            "../etc",
            "-x",
            "--help",
            "$HOME/x",
            "file:///etc/motd",
            "\\etc\\motd",
            "C:\\x",
            "//",
            "/..",
            "/.",
            "/../",
            "/etc/..",
            "/etc/.",
        ],
        too_long: (4097, "/", ""),
    },
    Class {
        name: "URLs",
        blocks: &[
            "[[clone]]\nurl = §\ndest = \"/x\"\n",
            "[[package_repo]]\nname = \"lab\"\nfingerprint = \"x\"\nuris = [§]\n",
        ],
        good: &["https://git.example.org/x", "https://10.0.0.1:8443/a/b.git"],
        pieces: &[" ", "\u{a0}", "\u{2003}", "\u{3000}"],
        whole: &[
            "",
            "/",
            "/etc",
            "/srv/git",
            "-",
            "-x",
            "--upload-pack=id",
            "-oProxyCommand=id",
            "example.org",
            "example.org/x",
            "ftp://h/x",
            "gopher://h/x",
            "git://h/x",
            "rsync://h/x",
            "ldap://h/x",
            "data:,x",
            "javascript:x",
            "ext::sh -c id",
            "fd::17",
            "ssh://-oProxyCommand=id/x",
            "-u@h:x",
            "git@-h:x",
            "git@h:-x",
            "https:///x",
            "https://",
            "https:/h/x",
            "https:h/x",
            "://h/x",
            "https//h/x",
            "https://u:p@h/x",
            "https://token@h/x",
            "https://:p@h/x",
            "https://@h/x",
            "https://h;id/x",
            "https://$(id)/x",
            "https://`id`/x",
            "https://h|id/x",
            "https://h&id/x",
            "https://h'/x",
            "https://h\"/x",
            "https://h<x>/x",
            "https://h{x}/x",
            "https://h*/x",
            "https://h!/x",
            "https://h\\x/x",
            "https://-h/x",
            "https://hé/x",
            "https://аpple.com/x",
            "https://h%00/x",
            "https://h,x/x",
            "https://h=x/x",
        ],
        too_long: (2049, "https://h/", ""),
    },
    Class {
        name: "units",
        blocks: &[
            "[[service]]\nname = §\nenabled = true\n",
            "[[unit]]\nname = §\nabsent = true\n",
            "[[dropin]]\nunit = §\nname = \"10-x\"\ncontent = \"[Service]\\nNice=5\\n\"\n",
            "[[handler]]\nname = \"x\"\nrestart = §\n",
            "[[wait]]\nunit = §\n",
        ],
        good: &["nginx.service", "getty@tty1.service", "dev-sda1.mount"],
        pieces: &["/", "../", "=", ",", "%", "%n", "+", "[", "]", "^"],
        whole: &[
            "",
            ".",
            "..",
            "-",
            "-x",
            "--now",
            "--root=/",
            "-x.service",
            ".service",
            ".x.service",
            "/etc/x.service",
            "../x.service",
            "x.service/y",
        ],
        too_long: (256, "", ".service"),
    },
    Class {
        name: "sudoers",
        blocks: &[
            "[[sudoers]]\nname = \"x\"\nrules = [§]\n",
            "[[user]]\nname = \"ana\"\nsudo = §\n",
        ],
        good: &[
            "ALL=(root) NOPASSWD: /usr/bin/apt",
            "ALL=(ALL) ALL",
            "ALL = /bin/x \\, y",
        ],
        pieces: &[],
        whole: &[
            "",
            " ",
            "  ",
            "\t",
            "#include x",
            "#includedir /tmp",
            "@include x",
            "@includedir /tmp",
            " #include x",
            "\t@include x",
            "ALL=(ALL) ALL\\",
            "ALL=(ALL) ALL, \\",
            "\\",
            "ALL=(ALL) ALL \\ ",
        ],
        too_long: (8193, "ALL=(ALL) ", ""),
    },
    Class {
        name: "cron",
        blocks: &["[[cron]]\nname = \"x\"\ncommand = \"id\"\nspec = §\n"],
        good: &["15 3 * * mon-fri", "*/10 * * * *", "0 0 1 1 *"],
        pieces: &[
            ";", "|", "$(id)", "`id`", "%", "#", "~", "^", "=", "@", "\\", ".", ":", "_", "--",
            "//", ",,", "60-",
        ],
        whole: &[
            "",
            " ",
            "*",
            "* * * *",
            "* * * * * *",
            "* * * * * root id",
            "@",
            "@now",
            "@reboot ",
            "@every 5m",
            "@DAILY",
            "@daily root id",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 0 *",
            "* * * 13 *",
            "* * * * 8",
            "* * * * fun",
            "* * * foo *",
            "-1 * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "*/ * * * *",
            "*/x * * * *",
            "1- * * * *",
            "-5 * * * *",
            "1,,2 * * * *",
            ",1 * * * *",
            "1, * * * *",
            "1/2/3 * * * *",
            "1-2-3 * * * *",
            "0x5 * * * *",
            "1.5 * * * *",
            "+5 * * * *",
            "00000 * * * *",
            "L * * * *",
            "* * L * *",
            "* * * * 5#2",
            "* * 15W * *",
            "? * * * *",
            "MAILTO=x",
            "PATH=/tmp",
            "SHELL=/tmp/x",
            "H H * * *",
        ],
        too_long: (400, "* * * * ", ""),
    },
    Class {
        name: "versions",
        blocks: &["[[package]]\nname = \"nginx\"\nversion = §\n"],
        good: &["1.22.1-9+deb12u1", "2:1.0~rc1", "3.11"],
        pieces: &["/", "../", "=", ",", "@", "%", "[", "]", "\\"],
        whole: &[
            "",
            "-",
            "-1",
            "--force",
            ".1",
            "~1",
            "+1",
            ":1",
            "^1",
            "_1",
            "*",
            "1.*",
            ">=1",
            "<2",
            "=1",
            "latest; id",
            "1 2",
        ],
        too_long: (129, "", ""),
    },
    Class {
        name: "packages",
        blocks: &[
            "[[package]]\nname = §\n",
            "packages = [§]\n",
            "[[package]]\nnames = [§]\n",
        ],
        good: &["nginx", "libc6:amd64", "python3.11"],
        pieces: &["/", "../", "=", ",", "@", "%", "[", "]", "\\", "^"],
        whole: &[
            "",
            "-",
            "-y",
            "--force-yes",
            "a",
            "nginx-",
            "./x.deb",
            "/tmp/x.deb",
            "x:",
            ":amd64",
            "x:-a",
            "+x",
            ".x",
            "~x",
        ],
        too_long: (129, "", ""),
    },
];

/// Every character that ends a line, moves a cursor, does not show, or turns the text around it.
fn hidden() -> Vec<String> {
    let ranges = [
        0..=8,
        10..=0x1f,
        0x7f..=0x9f,
        0xad..=0xad,
        0x61c..=0x61c,
        0x200b..=0x200b,
        0x200e..=0x200f,
        0x2028..=0x202e,
        0x2060..=0x2069,
        0xfeff..=0xfeff,
        0xe0001..=0xe0001,
        0xe0041..=0xe0043,
    ];
    let all = ranges.into_iter().flatten();
    all.map(|c: u32| char::from_u32(c).unwrap().to_string())
        .chain([
            "\r\n".to_owned(),
            "\u{1b}[2J".to_owned(),
            "\n[x]\n".to_owned(),
        ])
        .collect()
}

/// The hostile values of a class.
fn hostile(class: &Class) -> BTreeSet<String> {
    let is_ascii_only = !["paths", "URLs", "sudoers"].contains(&class.name);
    let mut pieces = hidden();
    pieces.extend(class.pieces.iter().map(ToString::to_string));
    if is_ascii_only {
        pieces.extend(LOOKALIKE.iter().map(ToString::to_string));
    }
    if is_ascii_only && class.name != "cron" {
        // A `~` sorts a version before others.
        let shell = SHELL
            .iter()
            .filter(|piece| class.name != "versions" || **piece != "~");
        pieces.extend(shell.map(ToString::to_string));
    }
    let mut values: BTreeSet<String> = class.whole.iter().map(ToString::to_string).collect();
    for good in class.good {
        let middle = good.len() / 2;
        let middle = (middle..=good.len())
            .find(|at| good.is_char_boundary(*at))
            .unwrap();
        for piece in &pieces {
            values.insert(format!("{piece}{good}"));
            values.insert(format!("{good}{piece}"));
            values.insert(format!("{}{piece}{}", &good[..middle], &good[middle..]));
        }
    }
    let (length, before, behind) = class.too_long;
    for more in [0, 1, 1000] {
        let fill = "a".repeat(length + more - before.len() - behind.len());
        values.insert(format!("{before}{fill}{behind}"));
    }
    values
}

fn files(block: &str, value: &str) -> Vec<File> {
    let quoted = toml::Value::String(value.to_owned()).to_string();
    vec![File {
        name: "site.toml".to_owned(),
        text: block.replacen('§', &quoted, 1),
    }]
}

/// Whether a target that believes nobody refuses a block.
fn is_refused(block: &str, value: &str) -> bool {
    let here = Scope {
        facts: Some(Facts::default()),
        secrets: Some([].into()),
        ..Scope::default()
    };
    config::parse(files(block, value), here).is_err()
}

/// Whether whoever starts a run refuses it before that.
fn is_refused_at_once(block: &str, value: &str) -> bool {
    config::check(&files(block, value), "", &Given::default()).is_err()
}

#[test]
fn at_least_200_of_each_class_are_refused_everywhere() {
    let mut taken = Vec::new();
    for class in CLASSES {
        let values = hostile(class);
        let (name, count) = (class.name, values.len());
        assert!(count >= 200, "only {count} {name}");
        let first = class.blocks[0];
        let accepted = values
            .iter()
            .filter(|value| !is_refused_at_once(first, value));
        taken.extend(accepted.map(|value| format!("{name}: {value:.80?} at once by {first:?}")));
        for block in class.blocks {
            let accepted = values.iter().filter(|value| !is_refused(block, value));
            taken.extend(accepted.map(|value| format!("{name}: {value:.80?} by {block:?}")));
        }
        println!("{name}: {count} refused by each of {}", class.blocks.len());
    }
    let count = taken.len();
    assert!(taken.is_empty(), "{count} are taken:\n{}", taken.join("\n"));
}

#[test]
fn the_good_ones_beside_them_are_taken() {
    for class in CLASSES {
        for block in class.blocks {
            if block.contains("package_repo") {
                continue; // it wants a key besides, which tests/good_configs.rs has
            }
            for good in class.good {
                assert!(
                    !is_refused(block, good),
                    "{}: {good:?} by {block:?}",
                    class.name
                );
            }
        }
    }
}
