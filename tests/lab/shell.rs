//! A shell that stays: thousands of questions are not worth as many processes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

pub struct Shell {
    child: Child,
    told: BufReader<ChildStdout>,
}

const END: &str = "--- that was all";

impl Shell {
    pub fn open(mut command: Command) -> Self {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        Self { child, told }
    }

    /// What a script writes.
    pub fn ask(&mut self, script: &str) -> String {
        // Tools that read must not eat the script; `cd` and the like are forgotten.
        let script = format!("(:\n{script}\n) < /dev/null\necho; echo '{END}'\n");
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(script.as_bytes()).unwrap();
        let mut text = String::new();
        loop {
            let begin = text.len();
            let length = self.told.read_line(&mut text).unwrap();
            assert!(length > 0, "the shell is gone: {script}\n{text}");
            if text[begin..].trim_end() == END {
                text.truncate(begin);
                return text.trim_end().to_owned();
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
