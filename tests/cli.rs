//! The terminal as it is typed: `tests/cli/*.md` are transcripts, each in a directory of its own.

#[test]
fn transcripts() {
    trycmd::TestCases::new()
        .env("HPT_KEYSTORE", "client.db")
        .env("XDG_STATE_HOME", "/tmp/hpt-test-state")
        .env("COLUMNS", "80")
        .case("tests/cli/*.md");
}
