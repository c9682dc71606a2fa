//! Which plans were applied: `runs/DIGEST.used` holds the id of the run that has applied the plan of
//! this name, as long as there is that run's journal.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;

use hpt_proto::Running;
use hpt_provisioner::plan::{Digest, Plan};

use super::{Journals, Standing};

/// What ends such a file's name.
const USED: &str = "used";

impl Journals {
    /// The run that has applied a plan, or has begun to.
    pub(crate) fn user_of(&self, plan: Digest) -> io::Result<Option<Running>> {
        let Some(run) = self.id_of_user(plan)? else {
            return Ok(None);
        };
        let standing = Standing::read(self, &run)?;
        Ok(Some(standing.map_or_else(
            // It was killed before it could write down that it began.
            || Running {
                run,
                by: "?".to_owned(),
                since: 0,
            },
            |standing| standing.running(),
        )))
    }

    /// A host that is as it was before a run, after an undo say, is planned as it was then: that is
    /// another plan all the same.
    pub(crate) fn name_anew(&self, plan: &mut Plan) -> io::Result<()> {
        while let Some(run) = self.id_of_user(plan.digest)? {
            plan.digest = plan.digest.after(&run);
        }
        Ok(())
    }

    /// A run is about to apply a plan; nobody else does from here on. The name is on disk with the
    /// next that is made in this directory.
    pub(crate) fn use_plan(&self, plan: Digest, run: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(self.used(plan))?;
        file.write_all(run.as_bytes())?;
        file.sync_data()
    }

    /// Forgets which plan a run has applied whose journal goes.
    pub(super) fn forget_plan_of(&self, run: &str) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == USED) && fs::read_to_string(&path)? == run
            {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn id_of_user(&self, plan: Digest) -> io::Result<Option<String>> {
        match fs::read_to_string(self.used(plan)) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            run => run.map(Some),
        }
    }

    fn used(&self, plan: Digest) -> std::path::PathBuf {
        let name = blake3::Hash::from_bytes(plan.0).to_hex();
        self.dir.join(format!("{name}.{USED}"))
    }
}
