//! What is told of any block: how it ended, and what is not known yet.

use super::*;

#[test]
fn outcomes_are_told_as_they_are() {
    use Outcome::{Changed, Failed, NotRun, Ok};
    // The original knew an outcome of users and groups alone.
    let mut host = Host::new();
    let text = "packages = [\"git\"]\n[[group]]\nname = \"g\"\n[[file]]\npath = \"/etc/x\"\ncontent = \"\"\n[[exec]]\nscript = \"x\"\nalways = true\n[[file]]\npath = \"/no/x\"\ncontent = \"\"\n[[group]]\nname = \"h\"\n";
    let report = apply(&config(text), &mut host, &mut Deaf);
    let outcomes: Vec<_> = report.blocks.iter().map(|b| b.outcome).collect();
    assert_eq!(
        outcomes,
        [Changed, Changed, Changed, Changed, Failed, NotRun]
    );
    let report = apply(&config(text), &mut host, &mut Deaf);
    let outcomes: Vec<_> = report.blocks.iter().map(|b| b.outcome).collect();
    assert_eq!(outcomes, [Ok, Ok, Ok, Changed, Failed, NotRun]);
}

#[test]
fn a_value_that_only_the_target_knows_is_not_judged_on_the_workstation() {
    for text in [
        "[[user]]\nname = \"ana\"\npassword_hash = \"{{ secret.hash }}\"\n",
        "[[exec]]\nscript = \"{{ secret.db }}\"\nalways = true\n",
        "[[clone]]\nurl = \"https://{{ facts.hostname }}/x\"\ndest = \"/opt/x\"\n",
        "[[file]]\npath = \"/a\"\nmode = \"{{ facts.hostname }}\"\ncontent = \"\"\n",
    ] {
        let files = files(&format!(
            "{text}[secret]\nhash.env = \"A\"\ndb.env = \"B\"\n"
        ));
        if let Err(faults) = config::check(&files, "web1", &config::Given::default()) {
            panic!("{text}{faults:#?}");
        }
    }
}
