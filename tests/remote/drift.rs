//! What has moved on a target since its configs were applied, as a monitor asks for it.

use super::serving::Place;
use super::site;

#[test]
fn a_target_tells_what_has_moved_since_the_last_apply() {
    let place = Place::serving();
    site(&place);
    place
        .web1(&["drift"])
        .exits(1)
        .says("no config has been applied");
    place.web1(&["site.toml"]).exits(0);
    place
        .web1(&["drift"])
        .exits(0)
        .says("site is as it was applied");
    // The workstation has another config by now, and nobody has applied it.
    place.write("files/motd", "Go away.\n");
    place.web1(&["drift", "site"]).exits(0);

    place.write("root/etc/motd", "pwned\n");
    place
        .web1(&["drift"])
        .exits(2)
        .says("~ file:/etc/motd")
        .says("    - pwned\n    + Welcome.\n")
        .says("2 in place");
    let told = place.web1(&["--json", "drift"]).exits(2).out;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["event"], "drift");
    assert_eq!(told["config"], "site");
    assert_eq!(told["drifted"], true);
    assert_eq!(told["blocks"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["blocks"][0]["id"], "file:/etc/motd");
    assert_eq!(place.read("root/etc/motd"), "pwned\n", "it changes nothing");
    place
        .web1(&["drift", "other"])
        .exits(1)
        .says("no config named other");

    // What the next apply asks for is what counts from then on.
    place.web1(&["site.toml"]).exits(0);
    let told = place.web1(&["--json", "drift"]).exits(0).out;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let run = told["run"].as_str().unwrap();
    place.web1(&["undo", "--yes", run]).exits(0);
    place
        .web1(&["drift"])
        .exits(1)
        .says("its last run did not end well, or was undone");
}

#[test]
fn a_config_whose_last_run_failed_is_not_held_against_its_host() {
    let place = Place::serving();
    let good = "[[file]]\npath = \"/a\"\ncontent = \"\"\n";
    place.write("site.toml", good);
    place.web1(&["site.toml"]).exits(0);
    place.write(
        "site.toml",
        format!("{good}[[file]]\npath = \"/none/b\"\ncontent = \"\"\n[[file]]\npath = \"/c\"\ncontent = \"\"\n"),
    );
    place.web1(&["site.toml"]).exits(1);
    place.web1(&["drift"]).exits(1).says("did not end well");
    place.write("site.toml", good);
    place.web1(&["site.toml"]).exits(0).says("nothing to do");
    place.web1(&["drift"]).exits(0);
}
