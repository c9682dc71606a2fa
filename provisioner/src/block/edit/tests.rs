//! What each format makes of a text: the keys as asked for, and nothing else changed.

use super::*;

fn block(format: &str, fields: &str) -> Edit {
    let text = format!("path = \"/x\"\nformat = \"{format}\"\n{fields}");
    ::toml::from_str(&text).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

fn edited(format: &str, fields: &str, old: &str) -> String {
    let block = block(format, fields);
    block.check(&mut |key, what| panic!("{key}: {what}"));
    let new = block.edited(old).unwrap();
    assert_eq!(block.edited(&new).as_ref(), Ok(&new), "twice");
    new
}

fn refused(format: &str, fields: &str, old: &str) -> String {
    block(format, fields).edited(old).unwrap_err()
}

#[test]
fn ini_keeps_its_comments_and_its_way_of_writing() {
    let old = "# my\nuser=x\n\n[mysqld]\n; how many\nport=1 \nskip\n\n# client\n[client]\nport=2\nport=3\n";
    let set = "set = { user = 'y', mysqld = { port = 3306, new = true }, client.port = 4 }\n";
    let new = "# my\nuser=y\n\n[mysqld]\n; how many\nport=3306\nskip\nnew=true\n\n# client\n[client]\nport=4\n";
    assert_eq!(edited("ini", set, old), new);
    assert_eq!(edited("ini", "set = { a.b = 1 }\n", ""), "[a]\nb = 1\n");
    assert_eq!(
        edited("ini", "set = { a.b = 1 }\n", "# see x = y\n[a]\n#c=2\n"),
        "# see x = y\n[a]\nb=1\n#c=2\n"
    );
    assert_eq!(
        edited("ini", "set = { b = 'c d' }\n", "[a]\n"),
        "b = c d\n[a]\n"
    );
    assert_eq!(
        edited("ini", "set = { a.b = 1 }\n", "[x]\ny = 2"),
        "[x]\ny = 2\n\n[a]\nb = 1\n"
    );
}

#[test]
fn ini_loses_keys_and_sections() {
    let old = "a = 1\n[s]\n# x\na = 1\nb = 2\n\n# t\n[t]\na = 1\n";
    assert_eq!(
        edited("ini", "unset = ['s.a']\n", old),
        old.replacen("# x\na = 1\n", "# x\n", 1)
    );
    assert_eq!(
        edited("ini", "unset = ['s']\n", old),
        "a = 1\n# t\n[t]\na = 1\n"
    );
    assert_eq!(
        edited("ini", "unset = ['a']\n", old),
        old.replacen("a = 1\n", "", 1)
    );
    assert_eq!(edited("ini", "unset = ['zz']\n", old), old);
}

#[test]
fn toml_keeps_its_comments_and_its_order() {
    let old = "# top\nb = 1 # one\na = 'x'\n\n[t] # table\ny = [1, 2]\n";
    let set = "set = { b = 2, a = 'x', t = { y = [1, 2], z.w = 1.5 } }\n";
    let new = "# top\nb = 2 # one\na = 'x'\n\n[t] # table\ny = [1, 2]\n\n[t.z]\nw = 1.5\n";
    assert_eq!(edited("toml", set, old), new);
    assert_eq!(edited("toml", "set = { b = 1 }\n", old), old);
    assert_eq!(
        edited("toml", "unset = ['t.y', 'a', 'no.no']\n", old),
        "# top\nb = 1 # one\n\n[t] # table\n"
    );
    assert_eq!(
        edited("toml", "set = { i.k = 1 }\n", "i = { j = 0 }\n"),
        "i = { j = 0 , k = 1 }\n"
    );
    assert_eq!(
        edited("toml", "set = { b = 2 }\n", "a = 1\r\n"),
        "a = 1\r\nb = 2\r\n"
    );
    assert!(refused("toml", "set = { a.b = 1 }\n", "a = 1\n").contains("no table"));
    assert!(refused("toml", "set = { a = 1 }\n", "[a]\n").contains("is a table"));
    assert!(refused("toml", "set = { a = 1 }\n", "a = = 1\n").contains("not TOML"));
}

#[test]
fn json_keeps_its_order_and_its_spelling() {
    let old = "{\n    \"z\": 1.0e3,\n    \"a\": {\n        \"b\": [1, 2]\n    }\n}\n";
    let new = "{\n    \"z\": 1.0e3,\n    \"a\": {\n        \"b\": [1, 2],\n        \"c\": true\n    }\n}\n";
    assert_eq!(edited("json", "set = { a.c = true }\n", old), new);
    assert_eq!(
        edited("json", "set = { z = 1000.0 }\nunset = ['q.r']\n", old),
        old
    );
    let short = "{\"z\":1,\"y\":2,\"x\":3}";
    assert_eq!(
        edited("json", "unset = ['z']\n", short),
        "{\"y\":2,\"x\":3}"
    );
    assert_eq!(
        edited("json", "set = { y = 'q' }\n", short),
        "{\"z\":1,\"y\":\"q\",\"x\":3}"
    );
    let nested = "{\n  \"log-opts\": {\n    \"max-size\": \"10m\"\n  }\n}\n";
    let set = "set = { log-opts.max-size = '10m' }\n";
    assert_eq!(edited("json", set, ""), nested);
    let unset = "unset = ['log-opts.max-size']\n";
    assert_eq!(edited("json", unset, nested), "{\n  \"log-opts\": {}\n}\n");
    let lists = "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ]\n}\n";
    assert_eq!(
        edited("json", "set = { a = [1, { b = 2 }] }\n", "{}\n"),
        lists
    );
    assert_eq!(
        edited("json", "set = { a = {} }\n", "{\r\n\t\"b\": 1\r\n}"),
        "{\r\n\t\"b\": 1,\r\n\t\"a\": {}\r\n}"
    );
    assert!(refused("json", "set = { a = 1 }\n", "{ // no\n}").contains("not JSON"));
    assert!(refused("json", "set = { a.b = 1 }\n", "{\"a\": 1}").contains("no object"));
    assert!(refused("json", "set = { a = 1 }\n", "[1]").contains("no object"));
    let long = "{\"n\": 1.2345678901234567890123, \"s\": \"\\u00e9\"}";
    assert_eq!(
        edited("json", "set = { a = 1 }\n", long),
        long.replace('}', ", \"a\": 1}")
    );
}

#[test]
fn env_values_are_quoted_and_compared_without_their_quotes() {
    let old = "# x\nexport A='one two'\nB=2\nB=3\n";
    assert_eq!(edited("env", "set = { A = 'one two' }\n", old), old);
    assert_eq!(
        edited("env", "set = { A = 'x', B = 4 }\n", old),
        "# x\nexport A=x\nB=4\n"
    );
    assert_eq!(
        edited("env", "set = { C = 'a \"$b\\' }\n", ""),
        "C=\"a \\\"\\$b\\\\\"\n"
    );
    assert_eq!(
        edited("env", "unset = ['B']\n", old),
        "# x\nexport A='one two'\n"
    );
    assert_eq!(edited("env", "set = { OPTS = '' }\n", "OPTS=-v"), "OPTS=");
}

/// Texts of a few pieces each, in every order up to a length, so that none is forgotten.
fn texts(pieces: &[&str], longest: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..longest {
        last = last
            .iter()
            .flat_map(|text| pieces.iter().map(move |piece| format!("{text}{piece}")))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[test]
fn whatever_a_file_holds_an_edit_is_in_place_after_it() {
    let ini = [
        "[a]\n", "b=1\n", " b = 2\n", "#b=3\n", "\n", "b", "[c]", "\r\n",
    ];
    let env = [
        "A=1\n",
        "export A='x'\n",
        "B=2",
        "\n",
        "#A=1\n",
        "A=\"q",
        "=\n",
    ];
    let toml = [
        "a=1\n",
        "[a]\n",
        "[a.b]\n",
        "b=2 # c\n",
        "[[a]]\n",
        "\n",
        "a.b=1\n",
        "b={c=1}\n",
    ];
    let json = ["{", "}", "\"a\":{}", "\"b\":2", ",", "\n\t"];
    for (format, fields, pieces) in [
        (
            "ini",
            "set = { b = 9, a = { b = 'x' } }\nunset = ['c']\n",
            &ini[..],
        ),
        (
            "env",
            "set = { A = '$x', C = 1 }\nunset = ['B']\n",
            &env[..],
        ),
        (
            "toml",
            "set = { a = { b = 1 }, d = [1] }\nunset = ['b']\n",
            &toml[..],
        ),
        (
            "json",
            "set = { a = { b = 1 }, d = [1] }\nunset = ['b']\n",
            &json[..],
        ),
    ] {
        let block = block(format, fields);
        let mut changed = 0;
        for old in texts(pieces, 4) {
            let Ok(new) = block.edited(&old) else {
                continue;
            };
            changed += usize::from(new != old);
            assert_eq!(block.edited(&new).as_ref(), Ok(&new), "{format} {old:?}");
        }
        assert!(changed > 10, "{format}: {changed}");
    }
}
