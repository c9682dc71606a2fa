//! What a plan reads, in bulk or one by one.

use super::*;

#[test]
fn what_was_prefetched_answers_until_something_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    fs::write(dir.path().join("f"), "1").unwrap();
    let keys = [
        Key::Path(path("/f")),
        Key::Content(path("/f")),
        Key::Path(path("/x/y")),
    ];
    live.prefetch(&keys);
    fs::remove_file(dir.path().join("f")).unwrap();
    assert!(
        live.path(&path("/f")).unwrap().is_some() && live.path(&path("/x/y")).unwrap().is_none()
    );
    assert_eq!(live.hash(&path("/f")).unwrap(), Some(blake3::hash(b"1")));
    live.prefetch(&keys);
    assert_eq!(
        (
            live.path(&path("/f")).unwrap(),
            live.hash(&path("/f")).unwrap()
        ),
        (None, None)
    );
    all_done(&mut live, &[write("/f", "2")]);
    assert_eq!(live.hash(&path("/f")).unwrap(), Some(blake3::hash(b"2")));
}

#[test]
fn many_paths_are_prefetched_as_they_are_read_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let live = open(dir.path());
    let mut keys = Vec::new();
    for n in 0..300 {
        let at = format!("/d{}/f{n}", n % 70);
        fs::create_dir_all(dir.path().join(format!("d{}", n % 70))).unwrap();
        if n % 3 > 0 {
            fs::write(dir.path().join(&at[1..]), n.to_string()).unwrap();
        }
        keys.extend([Key::Path(path(&at)), Key::Content(path(&at))]);
    }
    live.prefetch(&keys);
    for n in 0..300 {
        let at = path(&format!("/d{}/f{n}", n % 70));
        assert_eq!(live.path(&at).unwrap().is_some(), n % 3 > 0);
        let expected = (n % 3 > 0).then(|| blake3::hash(n.to_string().as_bytes()));
        assert_eq!(live.hash(&at).unwrap(), expected);
    }
}

#[test]
fn a_directory_holds_what_nobody_takes_away() {
    let dir = tempfile::tempdir().unwrap();
    let live = open(dir.path());
    fs::create_dir_all(dir.path().join("d/e")).unwrap();
    fs::write(dir.path().join("d/.hidden"), "").unwrap();
    let holds = |at: &str, gone: &[&str]| {
        let gone: Vec<_> = gone.iter().map(|at| path(at)).collect();
        live.holds_besides(&path(at), &gone).unwrap()
    };
    assert!(holds("/d", &[]) && holds("/d", &["/d/e"]) && holds("/d", &["/d/e/.hidden", "/d/e"]));
    assert!(!holds("/d", &["/d/e", "/d/.hidden"]) && !holds("/d/e", &[]));
    assert!(!holds("/none", &[]) && !holds("/d/.hidden", &[]) && !holds("/d/.hidden/x", &[]));
}
