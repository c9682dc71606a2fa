//! A directory of the workstation.

use super::serving::Place;

#[test]
fn a_directory_is_copied_and_what_is_not_in_it_goes() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("static/css")).unwrap();
    place.write("static/index.html", "hello");
    place.write("static/css/a.css", "x".repeat(100_000));
    let text = "[[sync]]\nsource = \"static\"\ndest = \"/srv/site\"\ndelete = true\n";
    place.write("site.toml", text);
    std::fs::create_dir_all(place.path("root/srv")).unwrap();
    let run = || place.run(&["--root", "root", "provision", "site.toml"]);
    run().exits(0).says("changed 1");
    assert_eq!(place.read("root/srv/site/css/a.css").len(), 100_000);
    run().exits(0).says("1 in place, nothing to do");
    place.write("root/srv/site/old", "");
    let plan = place.run(&["--root", "root", "plan", "site.toml"]);
    plan.exits(0).says("1 goes").says("/srv/site/old goes");
    run().exits(0).says("changed 1");
    assert!(!place.path("root/srv/site/old").exists());
    std::os::unix::fs::symlink("index.html", place.path("static/link")).unwrap();
    run().exits(3).says("`link`, which is neither a file nor");
    place.write("site.toml", text.replace("\"static\"", "\"none\""));
    let check = place.run(&["check", "site.toml"]);
    check.exits(3).says("cannot read the source");
}
