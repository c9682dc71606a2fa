//! `[source.NAME]` of a directory: files below it, with the hash that their spelling says.

use super::SHA256_OF_ABC;
use super::serving::Place;

#[test]
fn a_source_has_a_name_and_its_files_may_say_what_they_are() {
    let place = Place::new();
    for dir in ["files-of-all/web", "config", "root/srv"] {
        std::fs::create_dir_all(place.path(dir)).unwrap();
    }
    place.write("files-of-all/web/a.txt", "abc");
    // Relative to the file that names it, wherever hpt is started.
    let text = format!(
        "[source.files]\nurl = \"../files-of-all\"\n\
         [[file]]\npath = \"/got\"\nsource = \"files://web/a.txt#sha256={SHA256_OF_ABC}\"\n\
         [[sync]]\nsource = \"files://web\"\ndest = \"/srv/web\"\n"
    );
    place.write("config/site.toml", &text);
    let run = || place.run(&["--root", "root", "provision", "config/site.toml"]);
    run().exits(0).says("changed 2");
    assert_eq!(place.read("root/got"), "abc");
    assert_eq!(place.read("root/srv/web/a.txt"), "abc");
    run().exits(0).says("2 in place, nothing to do");
    place.write("files-of-all/web/a.txt", "evil");
    run().exits(1).says("is not what the config says");
    assert_eq!(place.read("root/got"), "abc");
    let check = |text: String| {
        place.write("config/site.toml", text);
        place.run(&["check", "config/site.toml"]).exits(3)
    };
    check(text.replace("web/a.txt#", "web/none#")).says("cannot read the source");
    check(text.replace("ba7816", "00")).says("64 hexadecimal digits");
}
