//! `hpt fmt` keeps what a config says: values, order and comments, of the good configs and of texts that
//! are less tidy.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use hpt_provisioner::config::format;
use proptest::prelude::*;

fn good() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/good");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// Values and order are the same, no comment is lost, and a second time changes nothing.
fn check(text: &str) {
    let values = |text: &str| {
        text.parse::<toml::Table>()
            .unwrap_or_else(|e| panic!("{e}\n{text}"))
    };
    let new = format(text).unwrap();
    assert_eq!(values(&new), values(text), "{text}\n---\n{new}");
    assert_eq!(format(&new).unwrap(), new, "twice:\n{text}");
    let squeezed = |text: &str| {
        let kept = |c: &char| !c.is_whitespace() && *c != ',';
        text.chars().filter(kept).collect::<String>()
    };
    // White space and the comma at the end of a list apart, it is the same text.
    assert_eq!(squeezed(&new), squeezed(text), "{text}\n---\n{new}");
}

#[test]
fn good_configs_mean_the_same_and_are_formatted_already() {
    let all = good();
    assert!(all.len() >= 20);
    for text in all {
        check(&text);
        assert_eq!(format(&text).unwrap(), text);
    }
}

#[test]
fn white_space_has_one_form() {
    let old = "\n\n  # a web server\n\n\n\tname=\"web\"   # its name\r
packages = [ 'nginx','git' ]#both
x . y = {a=1,b = [1 , 2,],  c.d=3 }
list = ['a', # one
   # two
 'b',

'c' # three
]
[[ file ]]

path='/a'


# about the mode
mode =  '0644'
[file.template_vars]
a=1
[[file]]#two
# end
";
    let new = "\
# a web server

name = \"web\" # its name
packages = ['nginx', 'git'] #both
x.y = { a = 1, b = [1, 2], c.d = 3 }
list = [
    'a', # one
    # two
    'b',
    'c', # three
]

[[file]]
path = '/a'

# about the mode
mode = '0644'
[file.template_vars]
a = 1

[[file]] #two
# end
";
    assert_eq!(format(old).unwrap(), new);
    check(&old.replace('\r', ""));
    assert_eq!(format("").unwrap(), "");
    assert_eq!(format("\n#x").unwrap(), "#x\n");
    assert!(format("a = 0600").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// White space put in where TOML takes it changes nothing of what comes out.
    #[test]
    fn untidy_configs_become_tidy(seed in any::<u64>(), at in 0_usize..64) {
        let all = good();
        let text = &all[at % all.len()];
        let mut dice = seed;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        let (mut untidy, mut inside) = (String::new(), false);
        for line in text.lines() {
            let was_inside = inside;
            let quotes = line.matches("\"\"\"").count() + line.matches("\'\'\'").count();
            inside ^= quotes % 2 == 1;
            if was_inside || inside {
                untidy += &format!("{line}\n");
                continue;
            }
            let blank = ["", " ", "\t", "   "][usize::try_from(roll(4)).unwrap()];
            let line = match line.split_once(" = ") {
                Some((key, value)) if !key.contains(['"', '#', '{', '[']) => format!("{key}{blank}={blank}{value}"),
                _ => line.to_owned(),
            };
            let end = if line.trim().is_empty() || roll(9) > 0 { "" } else { "  # note" };
            untidy += &format!("{blank}{line}{blank}{end}\n");
            if roll(7) == 0 {
                untidy += "\n\n";
            }
        }
        prop_assume!(untidy.parse::<toml::Table>().is_ok());
        check(&untidy);
    }
}
