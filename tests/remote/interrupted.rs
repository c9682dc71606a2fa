//! A run that broke off while a command ran: what there is to know of it, and what to type.

use super::serving::Place;

const SITE: &str = r#"
[[file]]
path = "DIR/first"
content = "1"

[[exec]]
id = "load"
script = "[ -e DIR/again ] || kill -9 $PPID"
always = true

[[file]]
path = "DIR/last"
content = "3"
"#;

/// J1, with words that name blocks and lines that can be pasted.
#[test]
fn what_broke_off_is_named_and_what_to_type_works() {
    let place = Place::serving_live();
    let dir = place.path("dir");
    std::fs::create_dir(&dir).unwrap();
    let site = SITE.replace("DIR", dir.to_str().unwrap());
    place.write("site.toml", site);
    place.web1(&["provision", "site.toml"]).exits(10);

    let first = format!("  done: file:{}/first\n  in doubt: load\n", dir.display());
    place.web1(&["status"]).exits(10).says(&first).says(
        "See on the host whether its command has run, and provision again with --rerun load:",
    );
    let plan = place.web1(&["plan", "site.toml"]).exits(0);
    assert!(plan.err.contains(&first), "{}", plan.err);
    let json = place.web1(&["--json", "plan", "site.toml"]).exits(0);
    let words = r#""in_doubt":["load"],"commands":["load"]"#;
    assert!(json.out.contains(words), "{}", json.out);

    place.write("dir/again", "");
    let line = "hpt --target web1 provision site.toml --rerun load";
    place
        .web1(&["provision", "site.toml"])
        .exits(10)
        .says(&format!("`{line}`"));
    for verb in ["plan", "provision"] {
        place
            .web1(&[verb, "--rerun", "nosuch", "site.toml"])
            .exits(64)
            .says("--rerun nosuch: the config has no such block")
            .says("in doubt: load");
    }
    place
        .web1(&["plan", "--rerun", "load", "site.toml"])
        .exits(0)
        .says("! load");
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    place.run(&words).exits(0).says("changed 2");
    place
        .web1(&["provision", "--rerun", "nosuch", "site.toml"])
        .exits(64)
        .says("it has: ");
}
